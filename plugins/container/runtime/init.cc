#include "plugins/container/runtime/init.h"

#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/identity.h"
#include "plugins/container/runtime/root.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

void Warn(const InitTask& task, const std::string& text) {
  const std::string line = absl::StrCat("warning: ", text, "\n");
  if (write(task.error_fd, line.data(), line.size()) < 0) return;
}

// Waits for one byte; the end-of-file says that the other side is gone.
bool WaitForByte(int fd) {
  char byte = 0;
  while (true) {
    const ssize_t n = read(fd, &byte, 1);
    if (n >= 0 || errno != EINTR) return n == 1;
  }
}

absl::Status JoinCgroups(const CgroupDoors& doors) {
  for (const UniqueFd& tasks : doors.tasks) {
    if (write(tasks.get(), "0", 1) != 1) return ErrnoError(errno, "enter the cgroup");
  }
  return absl::OkStatus();
}

absl::Status BecomeRoot(const Config& config) {
  if ((config.new_namespaces & CLONE_NEWUSER) == 0) return absl::OkStatus();
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) {
    return ErrnoError(errno, "become root of the user namespace");
  }
  return absl::OkStatus();
}

// The cgroup namespace takes its root from where the process is now.
absl::Status EnterLateNamespaces(const Config& config) {
  if (unshare(config.new_namespaces & (CLONE_NEWNS | CLONE_NEWCGROUP)) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "make namespaces");
}

absl::Status SetHostname(const std::string& name) {
  if (name.empty() || sethostname(name.data(), name.size()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("set hostname ", name));
}

absl::Status RaiseLoopback(const Config& config) {
  if ((config.new_namespaces & CLONE_NEWNET) == 0) return absl::OkStatus();
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (fd.valid() && ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0) return absl::OkStatus();
  return ErrnoError(errno, "bring up the loopback device");
}

// The command's output pipes become its own, so that it can open /dev/stdout again.
void OwnOutput(const Identity& identity) {
  for (int fd : {0, 1, 2}) {
    struct stat st{};
    if (fstat(fd, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) continue;
    if (fchown(fd, identity.uid, identity.gid) < 0) continue;
  }
}

// Hosts may not let us raise limits: then the most that they allow it is.
void ApplyRlimit(const InitTask& task, const Rlimit& wanted) {
  const auto resource = static_cast<__rlimit_resource>(wanted.resource);
  rlimit limit{wanted.soft, wanted.hard};
  if (setrlimit(resource, &limit) == 0) return;
  rlimit now{};
  getrlimit(resource, &now);
  limit = {std::min(limit.rlim_cur, now.rlim_max), std::min(limit.rlim_max, now.rlim_max)};
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(resource, &limit) < 0) limit = now;
  Warn(task, absl::StrCat(wanted.name, " is limited to ", limit.rlim_max, " by the host"));
}

bool IsInside(absl::string_view path) { return !path.empty() && path.front() == '/'; }

absl::Status BadWorkingDir(const std::string& cwd, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, "BAD_WORKING_DIR",
               absl::StrCat("working directory ", cwd, " ", why));
}

absl::Status EnterWorkingDir(const std::string& cwd) {
  const absl::Status made = MakeDirs(cwd, 0755);
  if (!made.ok()) return BadWorkingDir(cwd, absl::StrCat("can't be made: ", made.message()));
  if (chdir(cwd.c_str()) < 0) {
    return BadWorkingDir(cwd, absl::StrCat("can't be entered: ", strerror(errno)));
  }
  // Nothing of the host's may be reachable by it.
  char now[PATH_MAX];
  if (getcwd(now, sizeof now) == nullptr || !IsInside(now)) {
    return BadWorkingDir(cwd, "leads out of the container");
  }
  return absl::OkStatus();
}

absl::Status SetUp(const InitTask& task, Identity& identity) {
  const Config& config = task.config;
  VX_RETURN_IF_ERROR(JoinCgroups(task.doors));
  VX_RETURN_IF_ERROR(BecomeRoot(config));
  VX_RETURN_IF_ERROR(EnterLateNamespaces(config));
  VX_RETURN_IF_ERROR(SetHostname(config.hostname));
  VX_RETURN_IF_ERROR(RaiseLoopback(config));
  VX_ASSIGN_OR_RETURN(Root root, Root::Enter(config));
  VX_RETURN_IF_ERROR(root.Furnish());
  VX_ASSIGN_OR_RETURN(identity, ResolveIdentity(config));
  OwnOutput(identity);
  for (const Rlimit& rlimit : config.process.rlimits) ApplyRlimit(task, rlimit);
  return absl::OkStatus();
}

absl::Status Finish(const InitTask& task, const Identity& identity) {
  const ProcessConfig& process = task.config.process;
  VX_RETURN_IF_ERROR(EnterWorkingDir(process.cwd));
  if (process.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
    return ErrnoError(errno, "set no_new_privs");
  }
  // A filter without no_new_privs needs rights that are given up next.
  if (!process.no_new_privileges) VX_RETURN_IF_ERROR(InstallSeccomp(task.seccomp));
  VX_RETURN_IF_ERROR(Assume(identity, process.capabilities));
  umask(process.umask.value_or(022));
  // Last, as a change of ids clears it.
  if (task.die_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  return absl::OkStatus();
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& s : strings) pointers.push_back(const_cast<char*>(s.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::string Variable(const std::vector<std::string>& env, absl::string_view name) {
  for (const std::string& variable : env) {
    if (absl::string_view(variable).substr(0, name.size()) == name)
      return variable.substr(name.size());
  }
  return "";
}

// Returns only with errno of why it can't be run.
int Execute(const ProcessConfig& process, const std::vector<std::string>& env) {
  const std::vector<char*> argv = Pointers(process.args);
  const std::vector<char*> envp = Pointers(env);
  const std::string& name = process.args[0];
  if (name.empty()) return ENOENT;
  if (name.find('/') != std::string::npos) {
    execve(name.c_str(), argv.data(), envp.data());
    return errno;
  }
  int error = ENOENT;
  for (absl::string_view dir : absl::StrSplit(Variable(env, "PATH="), ':', absl::SkipEmpty())) {
    execve(absl::StrCat(dir, "/", name).c_str(), argv.data(), envp.data());
    if (errno != ENOENT && errno != ENOTDIR) error = errno;
  }
  return error;
}

[[noreturn]] void FailExec(const InitTask& task, int error) {
  const int32_t value = error;
  if (task.exec_fd < 0 || write(task.exec_fd, &value, sizeof value) != sizeof value) {
    Warn(task, absl::StrCat("can't run \"", task.config.process.args[0], "\": ", strerror(error)));
  }
  _exit(error == ENOENT || error == ENOTDIR ? kNotFound : kNotExecutable);
}

// What the spec and its image are to blame for is told at the start, like a command
// that can't be run; 0 for all else.
int CauseOf(const InitTask& task, const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (task.exec_fd < 0) return 0;
  if (reason == "NO_USER" || reason == "NO_GROUP") return shim::kErrnoNoUser;
  return reason == "BAD_WORKING_DIR" ? shim::kErrnoWorkingDir : 0;
}

[[noreturn]] void Fail(const InitTask& task, const absl::Status& status) {
  const std::string hint = ErrorHint(status);
  std::string text(status.message());
  if (!hint.empty()) absl::StrAppend(&text, " (", hint, ")");
  if (write(task.report_fd, text.data(), text.size()) < 0) _exit(kNotExecutable);
  _exit(1);
}

}  // namespace

void RunInit(const InitTask& task) {
  Identity identity;
  if (!WaitForByte(task.go_fd)) _exit(1);
  setsid();
  absl::Status status = SetUp(task, identity);
  if (status.ok()) status = Finish(task, identity);
  const int cause = CauseOf(task, status);
  if (!status.ok() && cause == 0) Fail(task, status);
  if (cause != 0 && task.die_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  std::vector<std::string> env = task.config.process.env;
  if (Variable(env, "HOME=").empty()) env.push_back(absl::StrCat("HOME=", identity.home));
  if (write(task.report_fd, "R", 1) != 1) _exit(1);
  close(task.report_fd);
  if (!WaitForByte(task.start_fd)) _exit(1);
  if (cause != 0) FailExec(task, cause);
  if (task.config.process.no_new_privileges) {
    status = InstallSeccomp(task.seccomp);
    if (!status.ok()) FailExec(task, EINVAL);
  }
  FailExec(task, Execute(task.config.process, env));
}

}  // namespace vx::container
