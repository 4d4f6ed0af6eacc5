#include "plugins/shim/client.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/poll.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "plugins/shim/input.h"

namespace vx::shim {
namespace {

constexpr absl::Duration kLaunchTimeout = absl::Seconds(30);
constexpr absl::Duration kReplyTimeout = absl::Seconds(5);
constexpr absl::Duration kConsoleLeft = absl::Seconds(1);
constexpr absl::Duration kConsolePause = absl::Milliseconds(50);
constexpr size_t kMaxComplaint = 16 * 1024;

absl::Status NotRunning(const std::string& dir) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("nothing runs in ", dir));
}

// NOT_FOUND when no shim listens there.
absl::StatusOr<UniqueFd> Connect(const std::string& dir) {
  const std::string path = absl::StrCat(dir, "/", kControlSocket);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return Error(absl::StatusCode::kInvalidArgument, "PATH_TOO_LONG",
                 absl::StrCat(path, " is too long for a socket"),
                 "choose a shorter runtime directory");
  }
  path.copy(address.sun_path, path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return ErrnoError(errno, "socket");
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  if (errno == ENOENT || errno == ECONNREFUSED) {
    return absl::NotFoundError(absl::StrCat("no shim runs in ", dir));
  }
  return ErrnoError(errno, absl::StrCat("connect to ", path));
}

struct Answered {
  ControlReply reply;
  // The connection that it came over.
  UniqueFd connection;
};

absl::StatusOr<Answered> AskAndStay(const std::string& dir, ControlVerb verb, int32_t argument,
                                    absl::Duration timeout, Cancellation* cancellation = nullptr) {
  auto fd = Connect(dir);
  if (absl::IsNotFound(fd.status())) return NotRunning(dir);
  VX_RETURN_IF_ERROR(fd.status());
  const ControlRequest request{verb, argument};
  if (send(fd->get(), &request, sizeof request, MSG_NOSIGNAL) < 0) return NotRunning(dir);
  const absl::Status ready = WaitReadable(fd->get(), absl::Now() + timeout, cancellation);
  if (absl::IsDeadlineExceeded(ready)) {
    return absl::DeadlineExceededError(absl::StrCat("the shim of ", dir, " does not answer"));
  }
  VX_RETURN_IF_ERROR(ready);
  ControlReply reply{};
  const ssize_t n = recv(fd->get(), &reply, sizeof reply, 0);
  if (n < static_cast<ssize_t>(kLeastControlReply)) return NotRunning(dir);
  return Answered{reply, *std::move(fd)};
}

absl::StatusOr<ControlReply> Ask(const std::string& dir, ControlVerb verb, int32_t argument,
                                 absl::Duration timeout, Cancellation* cancellation = nullptr) {
  VX_ASSIGN_OR_RETURN(Answered answered, AskAndStay(dir, verb, argument, timeout, cancellation));
  return answered.reply;
}

absl::Status ReplyError(const std::string& dir, int error) {
  if (error == 0) return absl::OkStatus();
  return error == ESRCH ? NotRunning(dir)
                        : ErrnoError(error, absl::StrCat("ask the shim of ", dir));
}

// A shim that ended before it was asked may have left why the command could not be
// run. `not_running` otherwise.
absl::Status NotStarted(const absl::Status& not_running, const std::string& dir,
                        const std::string& argv0) {
  auto record = ReadExitRecord(dir);
  const bool known = record.ok() && *record && (*record)->exec_errno != 0;
  return known ? ExecError(argv0, (*record)->exec_errno) : not_running;
}

// Reads what a shim says on its ready pipe, to the end or the deadline.
std::string ReadReport(int fd) {
  const absl::Time deadline = absl::Now() + kLaunchTimeout;
  std::string report;
  char buffer[4096];
  while (report != "R" && report.size() < kMaxComplaint && WaitReadable(fd, deadline).ok()) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    report.append(buffer, static_cast<size_t>(n));
  }
  return report;
}

void KillAndReap(pid_t pid) {
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::Status LaunchFailed(const std::string& report) {
  const absl::string_view why = absl::StripSuffix(report, "\n");
  return Error(absl::StatusCode::kInternal, "CREATE_FAILED",
               why.empty() ? absl::string_view("vx-shim ended without a word") : why);
}

std::vector<std::string> CommandLine(const LaunchOptions& options) {
  std::vector<std::string> argv = {options.program};
  if (!options.cgroup_procs.empty()) {
    argv.push_back(absl::StrCat("--cgroup=", options.cgroup_procs));
  }
  if (options.log_size > 0) {
    argv.push_back(absl::StrCat("--log-size=", options.log_size));
    argv.push_back(absl::StrCat("--log-files=", options.log_files));
  }
  if (!options.console_log.empty()) {
    argv.push_back(absl::StrCat("--console-log=", options.console_log));
  }
  if (options.stdin) argv.push_back("--stdin");
  if (options.tty) argv.push_back("--tty");
  argv.insert(argv.end(), {options.runtime.empty() ? "vm" : "container", options.dir, options.log});
  if (!options.runtime.empty()) argv.push_back("--");
  argv.insert(argv.end(), options.runtime.begin(), options.runtime.end());
  return argv;
}

}  // namespace

Client::Client(std::string dir, pid_t pid, UniqueFd pidfd)
    : dir_(std::move(dir)), pid_(pid), pidfd_(std::move(pidfd)) {}

absl::StatusOr<std::unique_ptr<Client>> Client::Launch(const LaunchOptions& options) {
  VX_ASSIGN_OR_RETURN(Pipe ready, MakePipe());
  VX_ASSIGN_OR_RETURN(pid_t pid, Spawn({.argv = CommandLine(options),
                                        .fds = {{ready.write.get(), kReadyFd}},
                                        .new_session = true}));
  ready.write.reset();
  const std::string report = ReadReport(ready.read.get());
  auto pidfd = OpenPidfd(pid);
  if (report == "R" && pidfd.ok()) {
    return std::unique_ptr<Client>(new Client(options.dir, pid, *std::move(pidfd)));
  }
  KillAndReap(pid);
  return report == "R" ? pidfd.status() : LaunchFailed(report);
}

absl::StatusOr<std::unique_ptr<Client>> Client::Find(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, Connect(dir));
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
    return ErrnoError(errno, "SO_PEERCRED");
  }
  VX_ASSIGN_OR_RETURN(UniqueFd pidfd, OpenPidfd(peer.pid));
  // Still the same process: it has not hung up after its pid was looked up. It need
  // not answer, as it may be busy.
  pollfd connection{fd.get(), 0, 0};
  if (poll(&connection, 1, 0) > 0) {
    return absl::NotFoundError(absl::StrCat("no shim runs in ", dir));
  }
  return std::unique_ptr<Client>(new Client(dir, peer.pid, std::move(pidfd)));
}

absl::StatusOr<ControlReply> Client::Status() const {
  return Ask(dir_, ControlVerb::kStatus, 0, kReplyTimeout);
}

absl::Status Client::Start(const std::string& argv0, absl::Duration timeout,
                           Cancellation* cancellation) const {
  auto reply = Ask(dir_, ControlVerb::kStart, 0, timeout, cancellation);
  if (absl::IsDeadlineExceeded(reply.status())) {
    return Error(absl::StatusCode::kDeadlineExceeded, "NOT_STARTED",
                 absl::StrCat("command \"", argv0, "\" was not started within ",
                              absl::FormatDuration(timeout)));
  }
  if (ErrorReason(reply.status()) == "NOT_RUNNING") {
    return NotStarted(reply.status(), dir_, argv0);
  }
  VX_RETURN_IF_ERROR(reply.status());
  if (reply->exec_error != 0) return ExecError(argv0, reply->exec_error);
  return ReplyError(dir_, reply->error);
}

absl::Status Client::Signal(int signal) const {
  VX_ASSIGN_OR_RETURN(ControlReply reply, Ask(dir_, ControlVerb::kSignal, signal, kReplyTimeout));
  return ReplyError(dir_, reply.error);
}

absl::StatusOr<std::unique_ptr<driver::Input>> Client::OpenInput() const {
  VX_ASSIGN_OR_RETURN(Answered answered, AskAndStay(dir_, ControlVerb::kInput, 0, kReplyTimeout));
  if (answered.reply.error == EOPNOTSUPP) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_STDIN", "the command has no input",
                 "make the workload with -i");
  }
  VX_RETURN_IF_ERROR(ReplyError(dir_, answered.reply.error));
  return std::make_unique<ShimInput>(std::move(answered.connection));
}

absl::StatusOr<std::unique_ptr<driver::Input>> Client::OpenConsole() const {
  const absl::Time deadline = absl::Now() + kConsoleLeft;
  absl::StatusOr<Answered> asked;
  // Whoever has just left may be there for a moment still.
  do {
    if (asked.ok()) absl::SleepFor(kConsolePause);
    asked = AskAndStay(dir_, ControlVerb::kConsoleInput, 0, kReplyTimeout);
  } while (asked.ok() && asked->reply.error == EBUSY && absl::Now() < deadline);
  VX_ASSIGN_OR_RETURN(Answered answered, std::move(asked));
  if (answered.reply.error == EBUSY) {
    return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_BUSY",
                 "somebody else types on the console",
                 "watch it without typing, or wait until they leave");
  }
  VX_RETURN_IF_ERROR(ReplyError(dir_, answered.reply.error));
  return std::make_unique<ShimInput>(std::move(answered.connection));
}

absl::Status Client::MachineGone() const {
  VX_ASSIGN_OR_RETURN(ControlReply reply, Ask(dir_, ControlVerb::kMachineGone, 0, kReplyTimeout));
  return ReplyError(dir_, reply.error);
}

bool Client::WaitEnd(absl::Duration timeout, Cancellation* cancellation) const {
  if (!WaitReadable(pidfd_.get(), absl::Now() + timeout, cancellation).ok()) return false;
  ReapPidfd(pidfd_.get());
  return true;
}

absl::Status ExecError(const std::string& argv0, int error) {
  if (error == ENOENT || error == ENOTDIR) {
    return Error(absl::StatusCode::kFailedPrecondition, "COMMAND_NOT_FOUND",
                 absl::StrCat("command \"", argv0, "\" was not found in the image"),
                 "check its name, and PATH in the image's environment");
  }
  if (error == kErrnoNoUser) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_USER",
                 "the image has no such user or group",
                 "use a number up to 65535, or a name of its /etc/passwd or /etc/group");
  }
  if (error == kErrnoWorkingDir) {
    return Error(absl::StatusCode::kFailedPrecondition, "BAD_WORKING_DIR",
                 "the working directory can't be made or entered",
                 "use a folder of the image, or one that does not exist yet");
  }
  if (error == kErrnoSetUp) {
    return Error(absl::StatusCode::kInternal, "CREATE_FAILED",
                 "what the command runs in could not be set up");
  }
  return Error(absl::StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
               absl::StrCat("command \"", argv0, "\" can't be executed: ", strerror(error)),
               "check its mode, its format and its interpreter");
}

void SetLogBounds(const driver::Environment& environment, LaunchOptions& options) {
  int64_t size = 0, files = 0;
  if (absl::SimpleAtoi(environment.Option("logs.max_bytes"), &size)) options.log_size = size;
  if (absl::SimpleAtoi(environment.Option("logs.max_files"), &files)) options.log_files = files;
}

absl::Status NameCause(const absl::Status& status, const std::string& user,
                       const std::string& working_dir) {
  const std::string reason = ErrorReason(status);
  std::string message;
  if (reason == "NO_USER") {
    message = absl::StrCat("the image has no user or group \"", user, "\"");
  } else if (reason == "BAD_WORKING_DIR") {
    message = absl::StrCat("the working directory \"", working_dir, "\" can't be made or entered");
  } else {
    return status;
  }
  return Error(status.code(), reason, message, ErrorHint(status));
}

absl::Status FurtherExecError(const std::string& argv0, int error, const std::string& user,
                              const std::string& working_dir) {
  if (error != kErrnoWorkingDir) return NameCause(ExecError(argv0, error), user, working_dir);
  return Error(absl::StatusCode::kFailedPrecondition, "BAD_WORKING_DIR",
               absl::StrCat("the working directory \"", working_dir, "\" can't be entered"),
               "use a folder that is there; the command's user must be allowed into it");
}

}  // namespace vx::shim
