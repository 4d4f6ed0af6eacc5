#include "client/cli/foreground.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/cli/changes.h"
#include "client/cli/errors.h"
#include "client/cli/render/terminal.h"
#include "client/cli/run_output.h"
#include "client/cli/signal_watcher.h"
#include "client/lib/operation.h"
#include "daemon/base/error.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

// Starts the workload beside the thread that reads its output, and cuts the
// reading short when the start fails.
class Starter {
 public:
  Starter(client::Connection* connection, const std::string& uid, RunOutput* output)
      : thread_([=, this] { Run(connection, uid, output); }) {}
  ~Starter() { thread_.join(); }

  // Waits for the end of the start.
  const absl::Status& Result() {
    done_.WaitForNotification();
    return result_;
  }

 private:
  void Run(client::Connection* connection, const std::string& uid, RunOutput* output) {
    result_ = Start(connection, uid);
    if (!result_.ok()) output->Cancel();
    done_.Notify();
  }

  static absl::Status Start(client::Connection* connection, const std::string& uid) {
    v1::StartWorkloadRequest request;
    request.set_name(uid);
    VX_ASSIGN_OR_RETURN(auto response, connection->StartWorkload(request));
    VX_ASSIGN_OR_RETURN(v1::Operation ended,
                        client::FollowOperation(*connection, response.operation()));
    return client::OperationError(ended);
  }

  absl::Notification done_;
  absl::Status result_;
  std::thread thread_;
};

// What Ctrl-C does: the first is sent to the workload, the second leaves.
class Forwarder {
 public:
  Forwarder(client::Connection* connection, v1::Workload workload)
      : connection_(connection),
        workload_(std::move(workload)),
        watcher_([this](int signal) { OnSignal(signal); }) {}

 private:
  void OnSignal(int signal) {
    if (std::exchange(seen_, true)) Leave(signal);
    v1::KillWorkloadRequest request;
    request.set_name(workload_.uid());
    request.set_signal(SignalName(signal));
    if (absl::Status status = connection_->KillWorkload(request).status(); !status.ok()) {
      Report(status);
    } else if (ErrorsOnTerminal()) {
      WriteAll(STDERR_FILENO, absl::StrCat("\nvxctl: sent ", SignalName(signal), " to ",
                                           workload_.name(), "; once more leaves it running\n"))
          .IgnoreError();
    }
  }

  [[noreturn]] void Leave(int signal) {
    Report(Error(absl::StatusCode::kCancelled, "INTERRUPTED",
                 absl::StrCat("left ", workload_.name(), " running"),
                 absl::StrCat("vxctl logs -f ", workload_.name(), " shows its output, vxctl kill ",
                              workload_.name(), " ends it")));
    _exit(128 + signal);
  }

  client::Connection* const connection_;
  const v1::Workload workload_;
  bool seen_ = false;
  SignalWatcher watcher_;
};

// Says why it ended where the status alone does not.
void Explain(const v1::Workload& workload, const v1::Exit& exit) {
  std::string message = exit.message();
  std::string hint;
  if (exit.reason() == v1::EXIT_REASON_OOM) {
    if (message.empty()) message = "it ran out of memory";
    hint = "give it more: -m/--memory";
  } else if (exit.reason() == v1::EXIT_REASON_LOST && message.empty()) {
    message = "its end was not seen";
  }
  bool plain = exit.reason() == v1::EXIT_REASON_EXITED || exit.reason() == v1::EXIT_REASON_USER;
  if (plain || message.empty()) return;
  std::string reason = exit.reason() == v1::EXIT_REASON_OOM    ? "OOM"
                       : exit.reason() == v1::EXIT_REASON_LOST ? "LOST"
                                                               : "CRASHED";
  Report(Error(absl::StatusCode::kUnknown, reason, absl::StrCat(workload.name(), ": ", message),
               hint));
}

int ExitCode(const v1::Exit& exit) {
  return exit.code() < 0 || exit.code() > 255 ? kExitError : exit.code();
}

// The end of a run whose exit came.
int Ended(const v1::Workload& workload, const v1::Exit& exit, Starter& starter) {
  // A command that could not be started looks like one that exits 126 or 127.
  if ((exit.code() == 126 || exit.code() == 127) && !starter.Result().ok()) {
    Report(starter.Result());
  } else {
    Explain(workload, exit);
  }
  return ExitCode(exit);
}

// The end of a run without one.
int Broken(const absl::Status& error, Starter& starter) {
  if (starter.Result().ok()) return Report(error);
  Report(starter.Result());
  return StartExitStatus(starter.Result());
}

absl::StatusOr<v1::Workload> Create(Context& context, client::Connection& connection,
                                    const v1::Workload& workload) {
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = workload;
  VX_ASSIGN_OR_RETURN(v1::CreateWorkloadResponse response, connection.CreateWorkload(request));
  VX_RETURN_IF_ERROR(Await(context, response.operation()));
  return std::move(*response.mutable_workload());
}

int RunCreated(client::Connection& connection, const v1::Workload& workload) {
  RunOutput output(&connection, workload.uid());
  output.Attach();
  Forwarder forwarder(&connection, workload);
  Starter starter(&connection, workload.uid(), &output);
  absl::StatusOr<v1::Exit> exit = output.Copy();
  return exit.ok() ? Ended(workload, *exit, starter) : Broken(exit.status(), starter);
}

}  // namespace

int StartExitStatus(const absl::Status& status) {
  std::string reason = ErrorReason(status);
  if (reason == "COMMAND_NOT_FOUND") return 127;
  if (reason == "COMMAND_NOT_EXECUTABLE") return 126;
  return ExitStatus(status);
}

int RunForeground(Context& context, const v1::Workload& workload) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  absl::StatusOr<v1::Workload> created = Create(context, **connection, workload);
  if (!created.ok()) return Report(created.status());
  return RunCreated(**connection, *created);
}

}  // namespace vx::cli
