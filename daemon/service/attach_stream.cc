#include "daemon/service/attach_stream.h"

#include "absl/strings/str_cat.h"

namespace vx::service {

absl::Status AttachStream::Check(const v1::AttachRequest::Start& start,
                                 const v1::Workload& workload) const {
  if (start.console()) return context_.core.workloads().CheckConsole(workload);
  if (!start.stdin() || workload.spec().stdin()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "NO_STDIN",
               absl::StrCat("\"", workload.name(), "\" has no input"),
               "make it with -i, or attach with --no-stdin");
}

absl::Status AttachStream::Open(const v1::AttachRequest::Start& start) {
  VX_ASSIGN_OR_RETURN(size_, ToSize(start.size()));
  VX_ASSIGN_OR_RETURN(v1::Workload workload,
                      context_.core.store().Read().FindWorkload(start.name()));
  VX_RETURN_IF_ERROR(Check(start, workload));
  console_ = start.console();
  const bool has_size = size_.columns > 0 && size_.rows > 0 && workload.spec().tty();
  stdin_ = start.stdin() || (has_size && !console_);
  RunOutput::Options options;
  options.name = workload.uid();
  options.follow = true;
  options.console = console_;
  options.this_run = start.from_start();
  options.position.from_end = !start.from_start();
  options.end_only = start.input_only();
  absl::MutexLock lock(&output_mutex_);
  if (ended_) return absl::CancelledError("the caller has gone");
  output_ = std::make_unique<RunOutput>(
      context_, std::move(options), [this] { StartSendInitialMetadata(); }, [this] { Wake(); });
  return absl::OkStatus();
}

absl::Status AttachStream::OpenInput() {
  core::Workloads& workloads = context_.core.workloads();
  auto opened =
      console_ ? workloads.OpenConsoleInput(output_->uid()) : workloads.OpenInput(output_->uid());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<driver::Input> input, std::move(opened));
  if (size_.columns > 0 && size_.rows > 0) input->Resize(size_).IgnoreError();
  input_ = std::move(input);
  TakeInput(input_.get());
  return absl::OkStatus();
}

AttachStream::Next AttachStream::Produce(v1::AttachResponse& message) {
  if (absl::Status status = failure(); !status.ok()) return {.end = status};
  absl::MutexLock lock(&output_mutex_);
  if (output_ == nullptr) return {};
  Next next = output_->Produce(produced_);
  if (stdin_ && input_ == nullptr && (console_ ? output_->IsActive() : output_->Runs())) {
    absl::Status status = OpenInput();
    // It ended just now: that comes next.
    if (!status.ok() && ErrorReason(status) != "NOT_RUNNING") return {.end = status};
  }
  if (!next.write) return next;
  message.Clear();
  message.mutable_entries()->Swap(produced_.mutable_entries());
  if (produced_.has_exit()) *message.mutable_exit() = produced_.exit();
  return next;
}

void AttachStream::End() {
  absl::MutexLock lock(&output_mutex_);
  ended_ = true;
  if (output_ != nullptr) output_->Stop();
  input_.reset();
}

}  // namespace vx::service
