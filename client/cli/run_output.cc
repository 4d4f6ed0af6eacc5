#include "client/cli/run_output.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "client/cli/context.h"
#include "client/cli/event_source.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

// Of attaching again without a message in between.
constexpr int kMostAttempts = 50;

bool SameTime(const google::protobuf::Timestamp& a, const google::protobuf::Timestamp& b) {
  return a.seconds() == b.seconds() && a.nanos() == b.nanos();
}

bool IsErrors(const v1::LogEntry& entry) { return entry.stream() == v1::LOG_STREAM_STDERR; }

absl::Status NoExit() {
  return Error(absl::StatusCode::kUnavailable, "NO_EXIT",
               "the run ended and its exit status is not known",
               "vxctl inspect says more if the workload is still there");
}

}  // namespace

RunOutput::RunOutput(client::Connection* connection, std::string uid, bool from_now, bool console)
    : connection_(connection), uid_(std::move(uid)), from_now_(from_now), console_(console) {}

void RunOutput::Open() {
  v1::StreamLogsRequest request;
  request.set_name(uid_);
  request.set_follow(true);
  request.set_console(console_);
  if (last_.seconds() != 0) {
    *request.mutable_since() = last_;
  } else if (from_now_) {
    request.set_tail(0);
  }
  std::shared_ptr<Logs> logs = connection_->StreamLogs(request);
  absl::MutexLock lock(&mutex_);
  logs_ = logs;
  if (cancelled_) logs->Cancel();
}

absl::StatusOr<v1::Exit> RunOutput::Copy(const std::function<void()>& begins) {
  Open();
  while (true) {
    absl::StatusOr<v1::Exit> exit = CopyStream(begins);
    const bool lost = ErrorReason(exit.status()) == "CONNECTION_LOST";
    if (!lost || cancelled() || ++attempts_ > kMostAttempts) return exit;
    VX_RETURN_IF_ERROR(Reattach());
  }
}

absl::StatusOr<v1::Exit> RunOutput::CopyStream(const std::function<void()>& begins) {
  std::shared_ptr<Logs> logs;
  {
    absl::MutexLock lock(&mutex_);
    logs = logs_;
  }
  v1::StreamLogsResponse response;
  while (logs->Read(&response)) {
    attempts_ = 0;
    begins();
    if (response.has_exit()) return response.exit();
    VX_RETURN_IF_ERROR(Write(response));
  }
  absl::Status end = logs->Finish();
  if (absl::IsNotFound(end)) return ExitOnRecord();
  return end.ok() ? NoExit() : end;
}

// It was removed at its exit before a restart of the daemon, and so after all that it
// wrote was sent.
absl::StatusOr<v1::Exit> RunOutput::ExitOnRecord() {
  absl::StatusOr<v1::Exit> exit = NoExit();
  VX_RETURN_IF_ERROR(ReadEvents(*connection_, {.workload = uid_}, [&](const v1::Event& event) {
    if (event.workload().status().has_exit()) exit = event.workload().status().exit();
    return absl::OkStatus();
  }));
  return exit;
}

absl::Status RunOutput::Reattach() {
  VX_RETURN_IF_ERROR(connection_->Reconnect(client::kRestartLimit));
  std::copy(std::begin(written_), std::end(written_), std::begin(skip_));
  Open();
  return absl::OkStatus();
}

void RunOutput::Cancel() {
  absl::MutexLock lock(&mutex_);
  cancelled_ = true;
  if (logs_ != nullptr) logs_->Cancel();
}

bool RunOutput::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

// In order; what goes to the same stream goes at once.
absl::Status RunOutput::Write(const v1::StreamLogsResponse& response) {
  std::string data;
  for (int i = 0; i < response.entries_size(); ++i) {
    const v1::LogEntry& entry = response.entries(i);
    data += TakeNew(entry);
    const bool more =
        i + 1 < response.entries_size() && IsErrors(response.entries(i + 1)) == IsErrors(entry);
    if (more) continue;
    VX_RETURN_IF_ERROR(WriteAll(IsErrors(entry) ? STDERR_FILENO : STDOUT_FILENO, data));
    data.clear();
  }
  return absl::OkStatus();
}

// What of the entry was not written before the daemon's restart.
std::string RunOutput::TakeNew(const v1::LogEntry& entry) {
  size_t stream = IsErrors(entry) ? 1 : 0;
  if (!SameTime(entry.time(), last_)) {
    last_ = entry.time();
    written_[0] = written_[1] = skip_[0] = skip_[1] = 0;
  }
  size_t old = std::min(skip_[stream], entry.data().size());
  skip_[stream] -= old;
  written_[stream] += entry.data().size() - old;
  return entry.data().substr(old);
}

}  // namespace vx::cli
