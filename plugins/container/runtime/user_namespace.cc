#include "plugins/container/runtime/user_namespace.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::container {
namespace {

std::string MappingText(const std::vector<IdMapping>& mappings) {
  std::string text;
  for (const IdMapping& m : mappings) {
    absl::StrAppend(&text, m.container, " ", m.host, " ", m.size, "\n");
  }
  return text;
}

}  // namespace

absl::Status WriteMappings(pid_t pid, const std::vector<IdMapping>& uids,
                           const std::vector<IdMapping>& gids) {
  const std::string proc = absl::StrCat("/proc/", pid);
  VX_RETURN_IF_ERROR(WriteToFile(absl::StrCat(proc, "/uid_map"), MappingText(uids)));
  return WriteToFile(absl::StrCat(proc, "/gid_map"), MappingText(gids));
}

absl::StatusOr<UniqueFd> OpenUserNamespace(pid_t pid) {
  return OpenFile(absl::StrCat("/proc/", pid, "/ns/user"), O_RDONLY);
}

absl::StatusOr<UniqueFd> MakeUserNamespace(const std::vector<IdMapping>& uids,
                                           const std::vector<IdMapping>& gids) {
  clone_args args{};
  args.flags = CLONE_NEWUSER;
  args.exit_signal = SIGCHLD;
  const long child = syscall(SYS_clone3, &args, sizeof args);
  if (child < 0) return ErrnoError(errno, "make a user namespace");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    while (true) pause();
  }
  const pid_t pid = static_cast<pid_t>(child);
  auto end = absl::MakeCleanup([pid] {
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  });
  VX_RETURN_IF_ERROR(WriteMappings(pid, uids, gids));
  return OpenUserNamespace(pid);
}

}  // namespace vx::container
