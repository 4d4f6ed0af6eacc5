#include "plugins/container/runtime/mount_calls.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

// <sys/mount.h> and <linux/mount.h> can't both be included; of the former only
// this is needed.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;

namespace vx::container {
namespace {

constexpr unsigned long kReadOnly = 1, kNoSuid = 2, kNoDev = 4, kNoExec = 8;

}  // namespace

absl::StatusOr<UniqueFd> CloneMount(int dir, const std::string& path, bool recursive) {
  const unsigned flags =
      OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? unsigned{AT_RECURSIVE} : 0u);
  UniqueFd fd(static_cast<int>(syscall(SYS_open_tree, dir, path.c_str(), flags)));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open_tree ", path));
  return fd;
}

absl::Status SetMountAttributes(int mount, uint64_t attributes, const std::string& what) {
  mount_attr attr{};
  attr.attr_set = attributes;
  if (attributes == 0 || syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr,
                                 sizeof attr) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("set mount attributes of ", what));
}

absl::Status MapMountIds(int mount, int userns, const std::string& what) {
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<uint64_t>(userns);
  if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH, &attr, sizeof attr) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINVAL) return ErrnoError(errno, absl::StrCat("map the ids of ", what));
  return Error(absl::StatusCode::kFailedPrecondition, "NO_IDMAP",
               absl::StrCat("the filesystem of ", what, " can't map ids"),
               "keep vxd's state on ext4, xfs or btrfs");
}

absl::Status AttachMount(int mount, const std::string& path) {
  if (syscall(SYS_move_mount, mount, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("move_mount to ", path));
}

absl::Status Mount(const char* source, const std::string& target, const char* type,
                   unsigned long flags, const std::string& data) {
  if (mount(source, target.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("mount ", type == nullptr ? source : type, " on ", target,
                                        data.empty() ? "" : " with ", data));
}

uint64_t ToAttributes(unsigned long flags) {
  uint64_t attributes = 0;
  if ((flags & kReadOnly) != 0) attributes |= MOUNT_ATTR_RDONLY;
  if ((flags & kNoSuid) != 0) attributes |= MOUNT_ATTR_NOSUID;
  if ((flags & kNoDev) != 0) attributes |= MOUNT_ATTR_NODEV;
  if ((flags & kNoExec) != 0) attributes |= MOUNT_ATTR_NOEXEC;
  return attributes;
}

}  // namespace vx::container
