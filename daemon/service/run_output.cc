#include "daemon/service/run_output.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"

namespace vx::service {
namespace {

constexpr size_t kMessageBytes = 64 << 10;
// Of an entry, beside its data.
constexpr size_t kEntryOverhead = 32;

bool SameTime(const std::optional<v1::Exit>& a, const v1::Exit& b) {
  return a && a->time().seconds() == b.time().seconds() && a->time().nanos() == b.time().nanos();
}

}  // namespace

absl::Status RunOutput::Find() {
  VX_ASSIGN_OR_RETURN(v1::Workload workload,
                      context_.core.store().Read().FindWorkload(options_.name));
  uid_ = workload.uid();
  spec_ = workload.spec();
  if (workload.status().has_exit()) earlier_ = workload.status().exit();
  if (options_.follow) Watch(workload);
  if (options_.this_run && core::IsActive(workload) && workload.status().has_start_time()) {
    options_.position.since = core::FromProto(workload.status().start_time());
  }
  tell_found_();
  found_ = true;
  return absl::OkStatus();
}

// No view of the store is held meanwhile: who tells of events may wait for one.
void RunOutput::Watch(const v1::Workload& workload) {
  {
    absl::MutexLock lock(&end_mutex_);
    making_ = workload.status().state() == v1::STATE_CREATING;
    runs_ = workload.status().state() == v1::STATE_RUNNING;
    active_ = core::IsActive(workload);
    stopped_ = !making_ && !core::IsActive(workload);
    if (stopped_) end_ = {true, earlier_};
  }
  subscription_ = context_.core.events().Subscribe([this](const v1::Event& event) { Look(event); });
  // What came between is like an event.
  auto now = context_.core.store().Read().GetWorkload(uid_);
  v1::Event event;
  event.set_type(now.ok() ? v1::EVENT_TYPE_WORKLOAD_CHANGED : v1::EVENT_TYPE_WORKLOAD_DELETED);
  *event.mutable_workload() = now.ok() ? *std::move(now) : workload;
  Look(event);
}

absl::Status RunOutput::OpenReader() {
  core::Workloads& workloads = context_.core.workloads();
  auto reader = options_.console ? workloads.OpenConsoleLog(uid_, options_.position)
                                 : workloads.OpenLog(uid_, options_.position);
  VX_ASSIGN_OR_RETURN(reader_, std::move(reader));
  return absl::OkStatus();
}

void RunOutput::Look(const v1::Event& event) {
  if (!event.has_workload() || event.workload().uid() != uid_) return;
  const v1::WorkloadStatus& status = event.workload().status();
  const bool deleted = event.type() == v1::EVENT_TYPE_WORKLOAD_DELETED;
  const bool failed = status.state() == v1::STATE_FAILED;
  const bool new_exit = status.has_exit() && !SameTime(earlier_, status.exit());
  // What is removed at its exit is over when it is gone.
  const bool stopped = status.state() == v1::STATE_STOPPED;
  const bool stays = stopped && !event.workload().spec().remove_on_exit();
  {
    absl::MutexLock lock(&end_mutex_);
    const bool was_making =
        std::exchange(making_, making_ && !deleted && status.state() == v1::STATE_CREATING);
    const bool made = was_making && !making_;
    const bool over = (deleted || failed || stays) && !end_.there;
    const bool began = !runs_ && status.state() == v1::STATE_RUNNING;
    runs_ = status.state() == v1::STATE_RUNNING;
    active_ = core::IsActive(status.state());
    stopped_ |= stopped;
    if (over) {
      end_.there = true;
      if (new_exit) end_.exit = status.exit();
    }
    if (!made && !over && !stopped && !began) return;
  }
  wake_();
}

RunOutput::End RunOutput::TheEnd() {
  absl::MutexLock lock(&end_mutex_);
  return end_;
}

bool RunOutput::InTheMaking() {
  absl::MutexLock lock(&end_mutex_);
  return making_;
}

bool RunOutput::Runs() {
  absl::MutexLock lock(&end_mutex_);
  return runs_;
}

bool RunOutput::IsActive() {
  absl::MutexLock lock(&end_mutex_);
  return active_;
}

bool RunOutput::Stopped() {
  absl::MutexLock lock(&end_mutex_);
  return stopped_;
}

// As many entries as there are, up to about a message's worth.
absl::Status RunOutput::Fill(v1::StreamLogsResponse& message) {
  message.Clear();
  driver::LogEntry entry;
  for (size_t bytes = 0; bytes < kMessageBytes; bytes += entry.data.size() + kEntryOverhead) {
    VX_ASSIGN_OR_RETURN(bool more, reader_->Next(entry));
    if (!more) return absl::OkStatus();
    v1::LogEntry* out = message.add_entries();
    *out->mutable_time() = core::ToProto(entry.time);
    out->set_stream(entry.stream == 2 ? v1::LOG_STREAM_STDERR : v1::LOG_STREAM_STDOUT);
    out->set_data(entry.data);
  }
  return absl::OkStatus();
}

PumpNext RunOutput::Produce(v1::StreamLogsResponse& message) {
  if (!found_) {
    if (absl::Status status = Find(); !status.ok()) return {.end = status};
  }
  if (InTheMaking()) return {};
  if (exit_sent_) return {.end = absl::OkStatus()};
  if (options_.end_only) return TheEnd().there ? Conclude(TheEnd(), message) : PumpNext();
  if (!reader_) {
    absl::Status status = OpenReader();
    // Its making failed, or it is being removed, and nothing is left to read.
    if (absl::IsNotFound(status) && TheEnd().there) return Conclude(TheEnd(), message);
    if (!status.ok()) return {.end = status};
  }
  // Asked before the log: what the run wrote before its end is all there then.
  const bool stopped = Stopped();
  const End end = TheEnd();
  if (absl::Status status = Fill(message); !status.ok()) return {.end = status};
  if (message.entries_size() > 0) return {.write = true};
  if (!options_.follow) return {.end = absl::OkStatus()};
  if (stopped) NoteFollower();
  if (!end.there) {
    context_.waker.Arm(reader_->wake_fd(), wake_);
    // What came between Next and Arm leaves the descriptor readable.
    return {};
  }
  return Conclude(end, message);
}

// Who reads the console is none of the command's output.
void RunOutput::NoteFollower() {
  if (!options_.console) context_.core.workloads().NoteFollower(uid_);
}

PumpNext RunOutput::Conclude(const End& end, v1::StreamLogsResponse& message) {
  if (!end.exit || !options_.follow) return {.end = absl::OkStatus()};
  message.Clear();
  *message.mutable_exit() = *end.exit;
  exit_sent_ = true;
  return {.write = true};
}

void RunOutput::Stop() {
  subscription_.End();
  // Nobody waits for one who has gone.
  if (found_ && options_.follow && !options_.end_only) NoteFollower();
  if (reader_) context_.waker.Forget(reader_->wake_fd());
}

}  // namespace vx::service
