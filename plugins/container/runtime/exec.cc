#include "plugins/container/runtime/exec.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/pipe.h"
#include "daemon/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/command.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/identity.h"
#include "plugins/container/runtime/json_fields.h"
#include "plugins/container/runtime/seal.h"
#include "plugins/container/runtime/state.h"
#include "plugins/container/runtime/terminal.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

// How long a killed command is waited for, as one in a frozen group does not end.
constexpr int kKilledMillis = 2000;

struct NamespaceFile {
  const char* name;
  int flag;
};

constexpr NamespaceFile kNamespaces[] = {{"user", CLONE_NEWUSER},    {"mnt", CLONE_NEWNS},
                                         {"pid", CLONE_NEWPID},      {"net", CLONE_NEWNET},
                                         {"ipc", CLONE_NEWIPC},      {"uts", CLONE_NEWUTS},
                                         {"cgroup", CLONE_NEWCGROUP}};

absl::Status NotRunning(const std::string& id) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("container \"", id, "\" does not run"));
}

// Those of the container that are not ours too.
int OwnNamespaces(pid_t init) {
  int flags = 0;
  for (const NamespaceFile& ns : kNamespaces) {
    struct stat ours{}, theirs{};
    const bool same = stat(absl::StrCat("/proc/self/ns/", ns.name).c_str(), &ours) == 0 &&
                      stat(absl::StrCat("/proc/", init, "/ns/", ns.name).c_str(), &theirs) == 0 &&
                      ours.st_ino == theirs.st_ino && ours.st_dev == theirs.st_dev;
    if (!same) flags |= ns.flag;
  }
  return flags;
}

// The process as the options' own fields say it.
std::string ToProcess(const ExecOptions& options) {
  nlohmann::json process = {{"args", options.args}, {"terminal", options.tty}};
  if (!options.env.empty()) process["env"] = options.env;
  if (!options.cwd.empty()) process["cwd"] = options.cwd;
  if (!options.user.empty()) {
    process["user"] = nlohmann::json::object();
    process["vx.user"] = options.user;
  }
  return process.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

class Execution {
 public:
  explicit Execution(const ExecOptions& options) : options_(options) {}

  absl::StatusOr<int> Run();

 private:
  absl::Status FindContainer();
  absl::Status ReadProcess();
  absl::Status OpenConsole();
  absl::Status Start();
  // In the process that enters the namespaces and makes the command's in them.
  [[noreturn]] void Enter(int pid_fd);
  absl::Status EnterNamespaces() const;
  // In the command's process.
  [[noreturn]] void Become();
  [[noreturn]] void Fail(const absl::Status& status) const;

  absl::StatusOr<int> WaitForEnd();
  void PassOn(int signal) const;
  void Kill() const;

  const ExecOptions& options_;
  ContainerState state_;
  Config config_;
  SeccompProgram filter_;
  cgroup::CgroupDoors doors_;
  UniqueFd init_;
  UniqueFd console_;
  int console_fd_ = -1;
  int namespaces_ = 0;
  pid_t command_ = 0;
  sigset_t signals_before_ = {};
};

absl::StatusOr<int> Execution::Run() {
  VX_RETURN_IF_ERROR(FindContainer());
  if ((namespaces_ & CLONE_NEWUSER) == 0) {
    VX_RETURN_IF_ERROR(
        SealSelf({options_.exec_fd, options_.error_fd, options_.console_fd, options_.life_fd}));
  }
  VX_RETURN_IF_ERROR(ReadProcess());
  VX_RETURN_IF_ERROR(OpenConsole());
  VX_RETURN_IF_ERROR(Start());
  if (!options_.pid_file.empty()) {
    VX_RETURN_IF_ERROR(WriteFileAtomic(options_.pid_file, absl::StrCat(command_), 0644));
  }
  return options_.detach ? 0 : WaitForEnd();
}

absl::Status Execution::FindContainer() {
  VX_ASSIGN_OR_RETURN(std::string dir, StateDir(options_.root, options_.id));
  VX_ASSIGN_OR_RETURN(state_, ReadState(dir, options_.id));
  auto init = OpenPidfd(state_.pid);
  // Held by the descriptor now, so that it can't become another process.
  if (!init.ok() || StatusOf(dir, state_) != "running") return NotRunning(options_.id);
  init_ = *std::move(init);
  namespaces_ = OwnNamespaces(state_.pid);
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, cgroup::FindCgroups());
  VX_ASSIGN_OR_RETURN(doors_, cgroup::Cgroup::Open(layout, state_.cgroups_path)->OpenDoors());
  return absl::OkStatus();
}

absl::Status Execution::ReadProcess() {
  VX_ASSIGN_OR_RETURN(config_, ReadConfig(state_.bundle));
  std::string process = ToProcess(options_);
  if (!options_.process_file.empty()) {
    VX_ASSIGN_OR_RETURN(process, ReadFile(options_.process_file));
  }
  VX_RETURN_IF_ERROR(ParseExecProcess(process, config_));
  if ((namespaces_ & CLONE_NEWUSER) == 0) {
    VX_ASSIGN_OR_RETURN(uint64_t own, OwnCapabilities());
    config_.process.capabilities.LimitTo(own);
  }
  VX_ASSIGN_OR_RETURN(filter_, FilterOf(config_, absl::StrCat(options_.root, "/.seccomp")));
  return absl::OkStatus();
}

absl::Status Execution::OpenConsole() {
  console_fd_ = options_.console_fd;
  if (!config_.process.terminal) return absl::OkStatus();
  if (!options_.console_socket.empty()) {
    VX_ASSIGN_OR_RETURN(console_, ConnectConsole(options_.console_socket));
    console_fd_ = console_.get();
  }
  if (console_fd_ >= 0) return absl::OkStatus();
  return BadConfig("process.terminal", "needs --console-socket");
}

absl::Status Execution::Start() {
  VX_ASSIGN_OR_RETURN(Pipe told, MakePipe());
  GiveStreams(config_.root_uid(), config_.root_gid());
  // What comes from now on is for the command: WaitForEnd passes it on.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, &signals_before_);
  clone_args args{};
  args.exit_signal = SIGCHLD;
  if (doors_.into.valid()) {
    args.flags = CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(doors_.into.get());
  }
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return ErrnoError(errno, "enter the container's cgroup");
  if (pid == 0) Enter(told.write.get());
  told.write.reset();
  if (options_.exec_fd >= 0) close(options_.exec_fd);
  const ssize_t n = read(told.read.get(), &command_, sizeof command_);
  int status = 0;
  while (waitpid(static_cast<pid_t>(pid), &status, 0) < 0 && errno == EINTR) {
  }
  if (n == sizeof command_) return absl::OkStatus();
  // It has said why.
  _exit(1);
}

void Execution::Enter(int pid_fd) {
  // Nothing in the container may look into what is still the host's.
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  for (const UniqueFd& tasks : doors_.tasks) {
    if (write(tasks.get(), "0", 1) != 1) Fail(ErrnoError(errno, "enter the cgroup"));
  }
  absl::Status entered = EnterNamespaces();
  if (!entered.ok()) Fail(entered);
  clone_args args{};
  args.flags = CLONE_PARENT;
  const long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) Fail(ErrnoError(errno, "start a process in the container"));
  if (pid == 0) Become();
  const pid_t command = static_cast<pid_t>(pid);
  _exit(write(pid_fd, &command, sizeof command) == sizeof command ? 0 : 1);
}

absl::Status Execution::EnterNamespaces() const {
  if (namespaces_ != 0 && setns(init_.get(), namespaces_) < 0) {
    return errno == ESRCH ? NotRunning(options_.id)
                          : ErrnoError(errno, "enter the container's namespaces");
  }
  if ((namespaces_ & CLONE_NEWUSER) == 0) return absl::OkStatus();
  if (setgroups(0, nullptr) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
    return ErrnoError(errno, "become root of the user namespace");
  }
  return absl::OkStatus();
}

void Execution::Become() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  setsid();
  sigprocmask(SIG_SETMASK, &signals_before_, nullptr);
  if (config_.process.terminal) {
    absl::Status taken = TakeTerminal(console_fd_, config_.process, false);
    if (!taken.ok()) Fail(taken);
  }
  CloseAllBut({options_.exec_fd, options_.error_fd});
  // A command that can't be run is told by text too, where nobody wants the number.
  Command command(config_.process, filter_,
                  {options_.exec_fd, options_.error_fd, !options_.detach,
                   /*make_working_dir=*/false});
  absl::Status prepared = command.Prepare(ResolveIdentity(config_));
  if (!prepared.ok()) Fail(prepared);
  command.Run();
}

void Execution::Fail(const absl::Status& status) const {
  const std::string text = absl::StrCat(status.message(), "\n");
  (void)!write(options_.error_fd, text.data(), text.size());
  if (options_.exec_fd >= 0) {
    const int32_t value = shim::kErrnoSetUp;
    (void)!write(options_.exec_fd, &value, sizeof value);
  }
  _exit(1);
}

void Execution::PassOn(int signal) const { kill(command_, signal); }

void Execution::Kill() const {
  kill(-command_, SIGKILL);
  kill(command_, SIGKILL);
}

absl::StatusOr<int> Execution::WaitForEnd() {
  sigset_t all;
  sigfillset(&all);
  UniqueFd signals(signalfd(-1, &all, SFD_CLOEXEC));
  if (!signals.valid()) return ErrnoError(errno, "signalfd");
  // What is ours of the command's streams would keep them open.
  for (int fd : {0, 1, 2}) {
    if (fd != options_.error_fd) close(fd);
  }
  pollfd fds[2] = {{signals.get(), POLLIN, 0}, {options_.life_fd, 0, 0}};
  fds[1].events = POLLIN;
  int status = 0;
  for (int timeout = -1; waitpid(command_, &status, WNOHANG) != command_;) {
    const int n = poll(fds, 2, timeout);
    if (n == 0) return 128 + SIGKILL;
    signalfd_siginfo info{};
    if (fds[0].revents != 0 && read(signals.get(), &info, sizeof info) == sizeof info &&
        info.ssi_signo != SIGCHLD) {
      PassOn(static_cast<int>(info.ssi_signo));
    }
    if (fds[1].revents != 0) {
      Kill();
      fds[1].fd = -1;
      timeout = kKilledMillis;
    }
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

absl::StatusOr<int> Exec(const ExecOptions& options) { return Execution(options).Run(); }

}  // namespace vx::container
