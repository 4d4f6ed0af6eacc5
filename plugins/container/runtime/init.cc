#include "plugins/container/runtime/init.h"

#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "plugins/container/runtime/command.h"
#include "plugins/container/runtime/identity.h"
#include "plugins/container/runtime/inside.h"
#include "plugins/container/runtime/root.h"
#include "plugins/container/runtime/stages.h"
#include "plugins/container/runtime/terminal.h"

namespace vx::container {
namespace {

// Waits for one byte; the end-of-file says that the other side is gone.
bool WaitForByte(int fd) {
  char byte = 0;
  while (true) {
    const ssize_t n = read(fd, &byte, 1);
    if (n >= 0 || errno != EINTR) return n == 1;
  }
}

absl::Status JoinCgroups(const cgroup::CgroupDoors& doors) {
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

absl::Status SetDomainname(const std::string& name) {
  if (name.empty() || setdomainname(name.data(), name.size()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("set domain name ", name));
}

absl::Status SetPersonality(const Config& config) {
  if (!config.personality || personality(*config.personality) >= 0) return absl::OkStatus();
  return ErrnoError(errno, "set the personality");
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

absl::Status SetUp(const InitTask& task, const absl::Status& network) {
  const Config& config = task.config;
  VX_RETURN_IF_ERROR(network);
  VX_RETURN_IF_ERROR(JoinCgroups(task.doors));
  VX_RETURN_IF_ERROR(BecomeRoot(config));
  VX_RETURN_IF_ERROR(EnterLateNamespaces(config));
  VX_RETURN_IF_ERROR(SetHostname(config.hostname));
  VX_RETURN_IF_ERROR(SetDomainname(config.domainname));
  VX_RETURN_IF_ERROR(SetPersonality(config));
  EndStage("join");
  {
    VX_ASSIGN_OR_RETURN(Root root, Root::Enter(config));
    VX_RETURN_IF_ERROR(root.Furnish());
  }
  EndStage("mounts");
  if (config.process.terminal) {
    VX_RETURN_IF_ERROR(TakeTerminal(task.console_fd, config.process, true));
  }
  CloseAllBut({task.report_fd, task.start_fd, task.exec_fd, task.error_fd});
  return absl::OkStatus();
}

[[noreturn]] void Fail(const InitTask& task, const absl::Status& status) {
  const std::string hint = ErrorHint(status);
  std::string text(status.message());
  if (!hint.empty()) absl::StrAppend(&text, " (", hint, ")");
  (void)!write(task.report_fd, text.data(), text.size());
  _exit(1);
}

}  // namespace

void RunInit(const InitTask& task) {
  Command command(task.config.process, task.seccomp,
                  {task.exec_fd, task.error_fd, task.die_with_parent});
  // Beside the runtime's own work, as it may wait for the end of another's network.
  const absl::Status network = RaiseLoopback(task.config);
  if (!WaitForByte(task.go_fd)) _exit(1);
  setsid();
  absl::Status status = SetUp(task, network);
  if (status.ok()) status = command.Prepare(ResolveIdentity(task.config));
  if (!status.ok()) Fail(task, status);
  EndStage("rights");
  if (write(task.report_fd, "R", 1) != 1) _exit(1);
  close(task.report_fd);
  if (!WaitForByte(task.start_fd)) _exit(1);
  if (task.keep_exec_fd) fcntl(task.exec_fd, F_SETFD, 0);
  command.Run();
}

}  // namespace vx::container
