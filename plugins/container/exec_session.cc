#include "plugins/container/exec_session.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/poll.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "nlohmann/json.hpp"
#include "plugins/shim/client.h"
#include "plugins/shim/input.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

// In the runtime, beside those of protocol.h.
constexpr int kProcessFd = 6;
constexpr int kLifeFd = 7;
constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kEndTimeout = absl::Seconds(5);
constexpr size_t kMaxComplaint = 4096;

absl::StatusOr<Pipe> MakeSocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
    return ErrnoError(errno, "make a socket pair");
  }
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// An OCI process, as runtime/config.h (ParseExecProcess) reads it; in a file without a
// name, since it may hold secrets.
absl::StatusOr<UniqueFd> WriteProcess(const driver::ExecSpec& spec) {
  nlohmann::json process = {{"args", spec.argv}, {"terminal", spec.tty}, {"env", spec.env}};
  if (!spec.working_dir.empty()) process["cwd"] = spec.working_dir;
  if (!spec.user.empty()) {
    process["user"] = nlohmann::json::object();
    process["vx.user"] = spec.user;
  }
  if (spec.size.columns > 0 && spec.size.rows > 0) {
    process["consoleSize"] = {{"width", spec.size.columns}, {"height", spec.size.rows}};
  }
  UniqueFd fd(memfd_create("process", MFD_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, "memfd_create");
  const std::string text = process.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  VX_RETURN_IF_ERROR(WriteAll(fd.get(), text, "hand over the process"));
  return fd;
}

// The descriptor that comes over a unix socket.
absl::StatusOr<UniqueFd> ReceiveFd(int socket) {
  char name[256];
  iovec text{name, sizeof name};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  const cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
    return Error(absl::StatusCode::kInternal, "EXEC_FAILED", "the runtime sent no terminal");
  }
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

// What comes until the end-of-file, the bound or the deadline.
absl::StatusOr<std::string> ReadToEnd(int fd, size_t bound) {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  std::string all(bound, 0);
  size_t size = 0;
  while (size < bound) {
    VX_RETURN_IF_ERROR(WaitReadable(fd, deadline));
    const ssize_t n = read(fd, all.data() + size, bound - size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  all.resize(size);
  return all;
}

// A runtime that was told to run a command, and how that is going.
class Launch {
 public:
  Launch(const ExecPlace& place, const driver::ExecSpec& spec)
      : spec_(spec),
        argv_({place.program, "--root", place.root, "exec", "--process",
               absl::StrCat("/proc/self/fd/", kProcessFd), "--error-fd",
               absl::StrCat(shim::kRuntimeErrorFd), "--exec-fd",
               absl::StrCat(shim::kRuntimeExecFd)}),
        id_(place.id) {}

  void Option(const char* name, const std::string& value = "") {
    argv_.push_back(name);
    if (!value.empty()) argv_.push_back(value);
  }
  void Map(const UniqueFd& from, int to) { fds_.push_back({from.get(), to}); }

  // Starts it; the descriptors that were mapped can be closed then.
  absl::StatusOr<UniqueFd> Spawn() {
    VX_ASSIGN_OR_RETURN(error_, MakePipe());
    VX_ASSIGN_OR_RETURN(exec_, MakePipe());
    VX_ASSIGN_OR_RETURN(UniqueFd process, WriteProcess(spec_));
    Map(error_.write, shim::kRuntimeErrorFd);
    Map(exec_.write, shim::kRuntimeExecFd);
    Map(process, kProcessFd);
    argv_.push_back(id_);
    VX_ASSIGN_OR_RETURN(pid_t pid, vx::Spawn({.argv = argv_, .fds = fds_, .new_session = true}));
    error_.write.reset();
    exec_.write.reset();
    return OpenPidfd(pid);
  }

  // Returns when the command was started, or why it was not.
  absl::Status WaitStarted() {
    int32_t error = 0;
    VX_ASSIGN_OR_RETURN(std::string told, ReadToEnd(exec_.read.get(), sizeof error));
    if (told.size() < sizeof error) return absl::OkStatus();
    memcpy(&error, told.data(), sizeof error);
    if (error != shim::kErrnoSetUp) {
      return shim::FurtherExecError(spec_.argv[0], error, spec_.user, spec_.working_dir);
    }
    VX_ASSIGN_OR_RETURN(std::string why, ReadToEnd(error_.read.get(), kMaxComplaint));
    return Error(absl::StatusCode::kInternal, "EXEC_FAILED",
                 absl::StrCat("can't run the command: ", absl::StripAsciiWhitespace(why)));
  }

 private:
  const driver::ExecSpec& spec_;
  std::vector<std::string> argv_;
  const std::string id_;
  std::vector<FdMapping> fds_;
  Pipe error_;
  Pipe exec_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<RuntimeSession>> RuntimeSession::Start(
    const ExecPlace& place, const driver::ExecSpec& spec) {
  auto session = std::unique_ptr<RuntimeSession>(new RuntimeSession);
  Launch launch(place, spec);
  Pipe console, in, out, err, life;
  VX_ASSIGN_OR_RETURN(life, MakePipe());
  launch.Option("--life-fd", absl::StrCat(kLifeFd));
  launch.Map(life.read, kLifeFd);
  if (spec.tty) {
    VX_ASSIGN_OR_RETURN(console, MakeSocketPair());
    launch.Option("--console-fd", absl::StrCat(shim::kRuntimeConsoleFd));
    launch.Map(console.write, shim::kRuntimeConsoleFd);
  } else {
    if (spec.stdin) {
      VX_ASSIGN_OR_RETURN(in, MakePipe());
      launch.Map(in.read, STDIN_FILENO);
      session->input_ = std::make_unique<shim::FdInput>(std::move(in.write), false);
    }
    VX_ASSIGN_OR_RETURN(out, MakePipe());
    VX_ASSIGN_OR_RETURN(err, MakePipe());
    launch.Map(out.write, STDOUT_FILENO);
    launch.Map(err.write, STDERR_FILENO);
  }
  VX_ASSIGN_OR_RETURN(session->pidfd_, launch.Spawn());
  session->life_ = std::move(life.write);
  for (Pipe* theirs : {&console, &out, &err}) theirs->write.reset();
  in.read.reset();
  VX_RETURN_IF_ERROR(launch.WaitStarted());
  if (spec.tty) {
    VX_ASSIGN_OR_RETURN(out.read, ReceiveFd(console.read.get()));
    UniqueFd master(fcntl(out.read.get(), F_DUPFD_CLOEXEC, 0));
    session->input_ = std::make_unique<shim::FdInput>(std::move(master), true);
  } else {
    session->error_ = std::make_unique<shim::FdOutput>(std::move(err.read));
  }
  session->output_ = std::make_unique<shim::FdOutput>(std::move(out.read));
  return session;
}

RuntimeSession::~RuntimeSession() {
  life_.reset();
  if (!pidfd_.valid() || exit_code_ >= 0) return;
  if (!WaitPidfd(pidfd_.get(), kEndTimeout)) {
    SignalPidfd(pidfd_.get(), SIGKILL).IgnoreError();
    WaitPidfd(pidfd_.get(), kEndTimeout);
  }
  ReapPidfd(pidfd_.get());
}

absl::Status RuntimeSession::Signal(int signal) {
  // The runtime can't pass on its own end, nor what stops it.
  if (signal != SIGKILL && signal != SIGSTOP) return SignalPidfd(pidfd_.get(), signal);
  if (signal == SIGKILL) life_.reset();
  return signal == SIGKILL
             ? absl::OkStatus()
             : Error(absl::StatusCode::kInvalidArgument, "BAD_SIGNAL",
                     "a command can't be stopped by a signal from here", "pause the workload");
}

absl::StatusOr<v1::Exit> RuntimeSession::Result() {
  if (exit_code_ < 0) {
    siginfo_t info{};
    if (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) < 0) {
      return ErrnoError(errno, "wait for the command");
    }
    exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  }
  v1::Exit exit;
  exit.set_code(exit_code_);
  exit.set_reason(v1::EXIT_REASON_EXITED);
  return exit;
}

namespace {

absl::StatusOr<UniqueFd> OpenPidOf(const std::string& pid_file) {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(pid_file));
  int pid = 0;
  if (!absl::SimpleAtoi(text, &pid)) return absl::InternalError("the runtime wrote no pid");
  return OpenPidfd(pid);
}

}  // namespace

absl::StatusOr<UniqueFd> ExecDetached(const ExecPlace& place, const driver::ExecSpec& spec,
                                      const std::string& pid_file) {
  auto remove = absl::MakeCleanup([&] { unlink(pid_file.c_str()); });
  Launch launch(place, spec);
  launch.Option("--detach");
  launch.Option("--pid-file", pid_file);
  VX_ASSIGN_OR_RETURN(UniqueFd runtime, launch.Spawn());
  const absl::Status started = launch.WaitStarted();
  WaitPidfd(runtime.get(), kStartTimeout);
  ReapPidfd(runtime.get());
  auto command = OpenPidOf(pid_file);
  if (started.ok()) return command;
  // What could not be run is our child now.
  if (command.ok() && WaitPidfd(command->get(), kEndTimeout)) ReapPidfd(command->get());
  return started;
}

}  // namespace vx::container
