#include "plugins/container/runtime/command.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/inside.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

constexpr int kNotFound = 127;
constexpr int kNotExecutable = 126;

bool IsInside(absl::string_view path) { return !path.empty() && path.front() == '/'; }

absl::Status BadWorkingDir(const std::string& cwd, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, "BAD_WORKING_DIR",
               absl::StrCat("working directory ", cwd, " ", why));
}

absl::Status EnterWorkingDir(const std::string& cwd, bool make) {
  const absl::Status made = make ? MakeDirs(cwd, 0755) : absl::OkStatus();
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

// Takes effect at the exec of the command. Whether there is AppArmor the runtime has
// seen to.
absl::Status ApplyAppArmor(const std::string& profile) {
  if (profile.empty() || profile == "unconfined") return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(UniqueFd root, OpenFile("/", O_PATH | O_DIRECTORY));
  VX_ASSIGN_OR_RETURN(UniqueFd file,
                      OpenInside(root.get(), "/proc/self/attr/apparmor/exec", O_WRONLY));
  return WriteAll(file.get(), absl::StrCat("exec ", profile),
                  absl::StrCat("entering AppArmor profile ", profile));
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

}  // namespace

void CloseAllBut(std::vector<int> kept) {
  kept.push_back(STDERR_FILENO);
  std::sort(kept.begin(), kept.end());
  unsigned next = STDERR_FILENO + 1;
  for (const int fd : kept) {
    if (fd < static_cast<int>(next)) continue;
    if (static_cast<unsigned>(fd) > next) {
      syscall(SYS_close_range, next, static_cast<unsigned>(fd) - 1, 0);
    }
    next = static_cast<unsigned>(fd) + 1;
  }
  syscall(SYS_close_range, next, UINT_MAX, 0);
}

void GiveStreams(uid_t uid, gid_t gid) {
  for (int fd : {0, 1, 2}) {
    struct stat st{};
    const bool stream = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
    if (stream && fchown(fd, uid, gid) < 0) continue;
  }
}

void Command::Warn(const std::string& text) const {
  const std::string line = absl::StrCat("warning: ", text, "\n");
  if (write(options_.error_fd, line.data(), line.size()) < 0) return;
}

// Hosts may not let us raise limits: then the most that they allow it is.
void Command::ApplyRlimit(const Rlimit& wanted) const {
  const auto resource = static_cast<__rlimit_resource>(wanted.resource);
  rlimit limit{wanted.soft, wanted.hard};
  if (setrlimit(resource, &limit) == 0) return;
  rlimit now{};
  getrlimit(resource, &now);
  limit = {std::min(limit.rlim_cur, now.rlim_max), std::min(limit.rlim_max, now.rlim_max)};
  limit.rlim_cur = std::min(limit.rlim_cur, limit.rlim_max);
  if (setrlimit(resource, &limit) < 0) limit = now;
  Warn(absl::StrCat(wanted.name, " is limited to ", limit.rlim_max, " by the host"));
}

absl::Status Command::Prepare(const absl::StatusOr<Identity>& identity) {
  absl::Status status = identity.ok() ? BecomeUser(*identity) : identity.status();
  cause_ = CauseOf(status);
  if (!status.ok() && cause_ == 0) return status;
  if (identity.ok()) home_ = identity->home;
  // Last, as a change of ids clears it.
  if (options_.die_with_parent) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  return absl::OkStatus();
}

absl::Status Command::BecomeUser(const Identity& identity) {
  GiveStreams(identity.uid, identity.gid);
  // A terminal of its own; its group is devpts's.
  if (process_.terminal) (void)!fchown(STDIN_FILENO, identity.uid, static_cast<gid_t>(-1));
  for (const Rlimit& rlimit : process_.rlimits) ApplyRlimit(rlimit);
  VX_RETURN_IF_ERROR(EnterWorkingDir(process_.cwd, options_.make_working_dir));
  VX_RETURN_IF_ERROR(ApplyAppArmor(process_.apparmor));
  if (process_.no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
    return ErrnoError(errno, "set no_new_privs");
  }
  // A filter without no_new_privs needs rights that are given up next.
  if (!process_.no_new_privileges) VX_RETURN_IF_ERROR(InstallSeccomp(seccomp_));
  VX_RETURN_IF_ERROR(Assume(identity, process_.capabilities));
  umask(process_.umask.value_or(022));
  return absl::OkStatus();
}

// What spec and image are to blame for; 0 for all else.
int Command::CauseOf(const absl::Status& status) const {
  const std::string reason = ErrorReason(status);
  if (options_.exec_fd < 0) return 0;
  if (reason == "NO_USER" || reason == "NO_GROUP") return shim::kErrnoNoUser;
  return reason == "BAD_WORKING_DIR" ? shim::kErrnoWorkingDir : 0;
}

void Command::Run() {
  if (cause_ != 0) Fail(cause_);
  std::vector<std::string> env = process_.env;
  if (Variable(env, "HOME=").empty()) env.push_back(absl::StrCat("HOME=", home_));
  if (process_.terminal && Variable(env, "TERM=").empty()) env.push_back("TERM=xterm");
  if (process_.no_new_privileges && !InstallSeccomp(seccomp_).ok()) Fail(EINVAL);
  Fail(Execute(process_, env));
}

void Command::Fail(int error) const {
  const int32_t value = error;
  if (options_.exec_fd < 0 || write(options_.exec_fd, &value, sizeof value) != sizeof value) {
    Warn(absl::StrCat("can't run \"", process_.args[0], "\": ", strerror(error)));
  }
  _exit(error == ENOENT || error == ENOTDIR ? kNotFound : kNotExecutable);
}

}  // namespace vx::container
