#include "client/cli/foreground.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "client/cli/errors.h"
#include "client/cli/render/progress.h"
#include "client/cli/render/terminal.h"
#include "client/cli/run_output.h"
#include "client/cli/signal_watcher.h"
#include "client/lib/operation.h"
#include "daemon/base/error.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

// For a command whose output is not read any more.
constexpr int kUnreadGraceSeconds = 1;

// Follows the making and the start beside the thread that reads the output, and
// cuts the reading short when they fail.
class Start {
 public:
  Start(client::Connection* connection, v1::Operation operation, RunOutput* output,
        ProgressMode mode)
      : progress_(mode), thread_([=, this, operation = std::move(operation)] {
          Follow(connection, operation, output);
        }) {}
  ~Start() { thread_.join(); }

  // Waits for the end of the start.
  const absl::Status& Result() {
    done_.WaitForNotification();
    return result_;
  }

  // The workload says something: what is drawn goes, and stays away.
  void MakeRoom() {
    absl::MutexLock lock(&mutex_);
    room_made_ = true;
    progress_.Clear();
  }

 private:
  void Follow(client::Connection* connection, const v1::Operation& operation, RunOutput* output) {
    client::Follow follow;
    if (progress_.wanted()) follow.progress = [this](const v1::Operation& now) { Draw(now); };
    absl::StatusOr<v1::Operation> ended = client::FollowOperation(*connection, operation, follow);
    MakeRoom();
    result_ = ended.ok() ? client::OperationError(*ended) : ended.status();
    if (!result_.ok()) output->Cancel();
    done_.Notify();
  }

  void Draw(const v1::Operation& operation) {
    absl::MutexLock lock(&mutex_);
    if (!room_made_) progress_.Update(operation);
  }

  absl::Mutex mutex_;
  Progress progress_ ABSL_GUARDED_BY(mutex_);
  bool room_made_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Notification done_;
  absl::Status result_;
  std::thread thread_;
};

// What Ctrl-C does: the first is sent to the workload, or cancels its making; the
// second leaves.
class Forwarder {
 public:
  // `operation` makes the workload; empty: it is made. `on_resize` is called when the
  // terminal's size changes.
  Forwarder(client::Connection* connection, const v1::Workload& workload, std::string operation,
            std::function<void()> on_resize)
      : connection_(connection),
        workload_(workload),
        operation_(std::move(operation)),
        on_resize_(std::move(on_resize)),
        watcher_([this](int signal) { OnSignal(signal); }, {SIGINT, SIGTERM, SIGWINCH}) {}

 private:
  void OnSignal(int signal) {
    if (signal == SIGWINCH) return on_resize_();
    if (std::exchange(seen_, true)) Leave(signal);
    if (CancelMaking()) return;
    v1::KillWorkloadRequest request;
    request.set_name(workload_.uid());
    request.set_signal(SignalName(signal));
    absl::Status status = connection_->KillWorkload(request).status();
    if (!status.ok()) {
      Report(status);
    } else if (ErrorsOnTerminal()) {
      WriteAll(STDERR_FILENO, absl::StrCat("\nvxctl: sent ", SignalName(signal), " to ",
                                           workload_.name(), "; once more leaves it running\n"))
          .IgnoreError();
    }
  }

  // False when the workload is made and started already.
  bool CancelMaking() {
    if (operation_.empty()) return false;
    v1::CancelOperationRequest request;
    request.set_id(operation_);
    return connection_->CancelOperation(request).ok();
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
  const std::string operation_;
  const std::function<void()> on_resize_;
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
int Ended(const v1::Workload& workload, const v1::Exit& exit, Start& start) {
  // A command that could not be started looks like one that exits 126 or 127.
  if ((exit.code() == 126 || exit.code() == 127) && !start.Result().ok()) {
    Report(start.Result());
  } else {
    Explain(workload, exit);
  }
  return ExitCode(exit);
}

// The end of a run without one.
int Broken(const absl::Status& error, Start& start) {
  if (start.Result().ok()) return Report(error);
  Report(start.Result());
  return StartExitStatus(start.Result());
}

// The input of a workload in the foreground, and whether the user has left it.
class Keyboard {
 public:
  Keyboard(client::Connection* connection, const v1::Workload& workload,
           const Attachment& attachment, RunOutput* output) {
    if (!attachment.wanted()) return;
    input_.emplace(connection, workload.uid(), attachment, [this, output] {
      detached_ = true;
      output->Cancel();
    });
  }

  void Resize() {
    if (input_) input_->Resize();
  }

  // Gives the terminal back. True when the detach keys were typed.
  bool Leave() {
    input_.reset();
    return detached_;
  }

 private:
  std::atomic<bool> detached_ = false;
  std::optional<AttachedInput> input_;
};

int Detached(const v1::Workload& workload, const Attachment& attachment) {
  if (ErrorsOnTerminal()) {
    const char* verb = attachment.console ? "console" : "attach";
    WriteAll(STDERR_FILENO, absl::StrCat("\nvxctl: left ", workload.name(), " running; vxctl ",
                                         verb, " ", workload.name(), " comes back\n"))
        .IgnoreError();
  }
  return 0;
}

// The end of a run whose output nobody reads any more: as in a shell, a run of the moment
// is not to go on unseen.
int Unread(client::Connection& connection, const v1::Workload& workload) {
  if (workload.spec().remove_on_exit()) {
    v1::StopWorkloadRequest request;
    request.set_name(workload.uid());
    request.mutable_grace()->set_seconds(kUnreadGraceSeconds);
    absl::Status stopped = connection.StopWorkload(request).status();
    // It may have ended by itself.
    if (!stopped.ok() && !absl::IsNotFound(stopped)) Report(stopped);
  } else {
    Report(Error(absl::StatusCode::kCancelled, kOutputClosed,
                 absl::StrCat("nobody reads the output any more; left ", workload.name(),
                              " running"),
                 absl::StrCat("vxctl logs -f ", workload.name(), " shows its output, vxctl stop ",
                              workload.name(), " ends it")));
  }
  return 128 + SIGPIPE;
}

int Follow(client::Connection& connection, const v1::CreateWorkloadResponse& created,
           ProgressMode mode, const Attachment& attachment) {
  const v1::Workload& workload = created.workload();
  // A write fails instead, and that can be dealt with.
  signal(SIGPIPE, SIG_IGN);
  RunOutput output(&connection, workload.uid());
  Start start(&connection, created.operation(), &output, mode);
  Keyboard keyboard(&connection, workload, attachment, &output);
  Forwarder forwarder(&connection, workload, created.operation().id(),
                      [&keyboard] { keyboard.Resize(); });
  absl::StatusOr<v1::Exit> exit = output.Copy([&start] { start.MakeRoom(); });
  if (keyboard.Leave() && !exit.ok()) return Detached(workload, attachment);
  if (ErrorReason(exit.status()) == kOutputClosed) return Unread(connection, workload);
  return exit.ok() ? Ended(workload, *exit, start) : Broken(exit.status(), start);
}

}  // namespace

int StartExitStatus(const absl::Status& status) {
  std::string reason = ErrorReason(status);
  if (reason == "COMMAND_NOT_FOUND") return 127;
  if (reason == "COMMAND_NOT_EXECUTABLE" || reason == "NO_USER" || reason == "BAD_WORKING_DIR") {
    return 126;
  }
  return ExitStatus(status);
}

int AttachForeground(Context& context, const v1::Workload& workload, const Attachment& attachment) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  RunOutput output(*connection, workload.uid(), /*from_now=*/true, attachment.console);
  Keyboard keyboard(*connection, workload, attachment, &output);
  std::optional<Forwarder> forwarder;
  if (attachment.signals) {
    forwarder.emplace(*connection, workload, "", [&keyboard] { keyboard.Resize(); });
  }
  absl::StatusOr<v1::Exit> exit = output.Copy([] {});
  if (keyboard.Leave() && !exit.ok()) return Detached(workload, attachment);
  if (!exit.ok()) return Report(exit.status());
  Explain(workload, *exit);
  return ExitCode(*exit);
}

int RunForeground(Context& context, const v1::Workload& workload, const PullFlags& pull,
                  const Attachment& attachment) {
  absl::StatusOr<ProgressMode> mode = ParseProgress(context.flags().progress);
  if (!mode.ok()) return Report(mode.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = workload;
  request.set_start(true);
  request.set_follow(true);
  if (attachment.tty) *request.mutable_terminal_size() = OwnTerminalSize();
  auto created = CreateWithImage(context, request, pull);
  return created.ok() ? Follow(**connection, *created, *mode, attachment)
                      : Report(created.status());
}

}  // namespace vx::cli
