#include "client/cli/exec_session.h"

#include <signal.h>
#include <unistd.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "client/cli/errors.h"
#include "client/cli/foreground.h"
#include "client/cli/own_input.h"
#include "client/cli/own_terminal.h"
#include "client/cli/signal_watcher.h"
#include "daemon/base/error.h"
#include "daemon/base/signals.h"

namespace vx::cli {
namespace {

class ExecSession {
 public:
  ExecSession(client::Connection& connection, v1::ExecRequest::Start start)
      : start_(std::move(start)), stream_(connection.Exec(start_)) {}

  int Run();

 private:
  OwnInput::Sink MakeSink();
  void OnSignal(int signal);
  bool Send(const v1::ExecRequest& request);
  absl::StatusOr<int> Copy();

  const v1::ExecRequest::Start start_;
  const std::unique_ptr<client::Duplex<v1::ExecRequest, v1::ExecResponse>> stream_;
  absl::Mutex write_mutex_;
  // Of the watcher of signals.
  bool interrupted_ = false;
  std::vector<std::thread> senders_;
};

bool ExecSession::Send(const v1::ExecRequest& request) {
  absl::MutexLock lock(&write_mutex_);
  return stream_->Write(request);
}

OwnInput::Sink ExecSession::MakeSink() {
  OwnInput::Sink sink;
  sink.data = [this](std::string data) {
    v1::ExecRequest request;
    request.set_stdin_data(std::move(data));
    return Send(request);
  };
  sink.end = [this] {
    v1::ExecRequest request;
    request.set_stdin_eof(true);
    Send(request);
  };
  return sink;
}

void ExecSession::OnSignal(int signal) {
  v1::ExecRequest request;
  if (signal == SIGWINCH) {
    *request.mutable_resize() = OwnTerminalSize();
  } else {
    if (std::exchange(interrupted_, true)) return stream_->Cancel();
    request.set_signal(SignalName(signal));
  }
  // A daemon that is waiting for a guest takes no message, and the next signal is to be
  // heard all the same.
  senders_.emplace_back([this, request = std::move(request)] { Send(request); });
}

// Its exit status; the error of why there is none.
absl::StatusOr<int> ExecSession::Copy() {
  v1::ExecResponse response;
  std::optional<int> code;
  while (stream_->Read(&response)) {
    if (response.has_exit()) {
      code = response.exit().code();
      continue;
    }
    const bool error = response.part_case() == v1::ExecResponse::kStderrData;
    absl::Status written = WriteAll(error ? STDERR_FILENO : STDOUT_FILENO,
                                    error ? response.stderr_data() : response.stdout_data());
    if (written.ok()) continue;
    stream_->Cancel();
    return written;
  }
  absl::Status end = stream_->Finish();
  if (code) return *code;
  if (!end.ok()) return end;
  if (start_.detach()) return 0;
  return Error(absl::StatusCode::kUnavailable, "NO_EXIT",
               "the command ended and its exit status is not known");
}

int ExecSession::Run() {
  absl::StatusOr<int> code = 0;
  {
    const bool raw = start_.tty() && start_.stdin();
    std::optional<RawTerminal> terminal;
    std::optional<OwnInput> input;
    std::vector<int> signals = {SIGINT, SIGTERM};
    if (start_.tty()) signals.push_back(SIGWINCH);
    SignalWatcher watcher([this](int signal) { OnSignal(signal); }, signals);
    if (raw) terminal.emplace();
    if (start_.stdin()) input.emplace(DetachKeys(""), MakeSink());
    code = Copy();
  }
  for (std::thread& sender : senders_) sender.join();
  if (code.ok()) return *code;
  if (interrupted_ && absl::IsCancelled(code.status())) return 128 + SIGINT;
  Report(code.status());
  return StartExitStatus(code.status());
}

}  // namespace

int RunExec(Context& context, v1::ExecRequest::Start start) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  return ExecSession(**connection, std::move(start)).Run();
}

}  // namespace vx::cli
