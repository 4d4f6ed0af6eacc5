#include "plugins/container/runtime/seal.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/mount_calls.h"

namespace vx::container {
namespace {

constexpr char kSelf[] = "/proc/self/exe";
// So that it is tried once.
constexpr char kTried[] = "VX_RUNTIME_SEALED";

absl::StatusOr<bool> IsSealed() {
  VX_ASSIGN_OR_RETURN(UniqueFd self, OpenFile(kSelf, O_PATH));
  struct statvfs info{};
  if (fstatvfs(self.get(), &info) < 0) return ErrnoError(errno, "statvfs of vx-runtime");
  return (info.f_flag & ST_RDONLY) != 0;
}

absl::StatusOr<std::vector<std::string>> Arguments() {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile("/proc/self/cmdline"));
  std::vector<std::string> arguments = absl::StrSplit(text, '\0');
  // Each ends in a zero byte.
  if (!arguments.empty()) arguments.pop_back();
  return arguments;
}

}  // namespace

absl::Status SealSelf(const std::vector<int>& descriptors) {
  VX_ASSIGN_OR_RETURN(bool sealed, IsSealed());
  if (sealed) {
    unsetenv(kTried);
    return absl::OkStatus();
  }
  if (getenv(kTried) != nullptr) {
    return Error(absl::StatusCode::kInternal, "NOT_SEALED",
                 "vx-runtime's own file can't be made read-only for the container");
  }
  VX_ASSIGN_OR_RETURN(std::vector<std::string> arguments, Arguments());
  VX_ASSIGN_OR_RETURN(UniqueFd self, CloneMount(AT_FDCWD, kSelf, /*recursive=*/false));
  VX_RETURN_IF_ERROR(SetMountAttributes(self.get(), ToAttributes(MS_RDONLY), false, kSelf));
  for (const int fd : descriptors) {
    if (fd > 2) fcntl(fd, F_SETFD, 0);
  }
  setenv(kTried, "1", 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  syscall(SYS_execveat, self.get(), "", argv.data(), environ, AT_EMPTY_PATH);
  return ErrnoError(errno, "run vx-runtime from a read-only mount");
}

}  // namespace vx::container
