#include "daemon/base/pidfd.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/poll.h"

namespace vx {

absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (fd.valid()) return fd;
  if (errno == ESRCH) return absl::NotFoundError(absl::StrCat("no process ", pid));
  return ErrnoError(errno, absl::StrCat("pidfd_open ", pid));
}

absl::Status SignalPidfd(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) == 0 || errno == ESRCH) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("send signal ", signal));
}

bool WaitPidfd(int pidfd, absl::Duration timeout) {
  return WaitReadable(pidfd, absl::Now() + timeout).ok();
}

bool ReapPidfd(int pidfd) {
  return waitid(P_PIDFD, static_cast<id_t>(pidfd), nullptr, WEXITED | WNOHANG) == 0;
}

uint64_t ProcessStartTicks(pid_t pid) {
  auto stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) return 0;
  // The command's name, in parentheses, may hold anything; fields count from
  // after its end.
  size_t end = stat->rfind(')');
  if (end == std::string::npos) return 0;
  std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(*stat).substr(end + 1), ' ', absl::SkipEmpty());
  uint64_t ticks = 0;
  return fields.size() > 19 && absl::SimpleAtoi(fields[19], &ticks) ? ticks : 0;
}

}  // namespace vx
