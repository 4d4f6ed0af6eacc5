#include "plugins/container/runtime/mount_calls.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

// <sys/mount.h> and <linux/mount.h> can't both be included; of the former only
// this is needed.
extern "C" int mount(const char*, const char*, const char*, unsigned long, const void*) noexcept;

namespace vx::container {
namespace {

constexpr unsigned long kRecursive = 1 << 14;  // MS_REC

struct AttributeOf {
  unsigned long flag;
  uint64_t attribute;
};

// MS_* to MOUNT_ATTR_*. How access times are kept is a field of several bits.
constexpr AttributeOf kAttributes[] = {
    {1, MOUNT_ATTR_RDONLY}, {2, MOUNT_ATTR_NOSUID},        {4, MOUNT_ATTR_NODEV},
    {8, MOUNT_ATTR_NOEXEC}, {256, MOUNT_ATTR_NOSYMFOLLOW}, {2048, MOUNT_ATTR_NODIRATIME}};
constexpr AttributeOf kAccessTimes[] = {{1 << 10, MOUNT_ATTR_NOATIME},
                                        {1 << 21, MOUNT_ATTR_RELATIME},
                                        {1 << 24, MOUNT_ATTR_STRICTATIME}};

struct FilesystemFlag {
  unsigned long flag;
  const char* name;
};

// What is the filesystem's and not the mount's.
constexpr FilesystemFlag kFilesystemFlags[] = {
    {16, "sync"}, {128, "dirsync"}, {1 << 25, "lazytime"}, {1 << 23, "iversion"}};

long Configure(int fs, unsigned command, const char* key, const char* value) {
  return syscall(SYS_fsconfig, fs, command, key, value, 0);
}

// What the filesystem itself says is wrong; "" where it says nothing.
std::string Complaint(int fs) {
  char text[512];
  const ssize_t n = read(fs, text, sizeof text);
  if (n <= 2) return "";
  return absl::StrCat(
      " (", absl::StripSuffix(absl::string_view(text + 2, static_cast<size_t>(n - 2)), "\n"), ")");
}

absl::Status Failed(int fs, int error, const std::string& what) {
  return ErrnoError(error, absl::StrCat(what, Complaint(fs)));
}

absl::Status SetOption(int fs, absl::string_view option, const std::string& type) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(option, absl::MaxSplits('=', 1));
  const bool has_value = option.find('=') != absl::string_view::npos;
  const long done =
      has_value ? Configure(fs, FSCONFIG_SET_STRING, parts.first.c_str(), parts.second.c_str())
                : Configure(fs, FSCONFIG_SET_FLAG, parts.first.c_str(), nullptr);
  return done == 0 ? absl::OkStatus()
                   : Failed(fs, errno, absl::StrCat("mount ", type, " with ", option));
}

}  // namespace

MountAttributes ToAttributes(unsigned long flags, unsigned long cleared) {
  MountAttributes attributes;
  for (const AttributeOf& known : kAttributes) {
    if ((flags & known.flag) != 0) attributes.set |= known.attribute;
    if ((cleared & known.flag) != 0) attributes.clear |= known.attribute;
  }
  for (const AttributeOf& known : kAccessTimes) {
    if (((flags | cleared) & known.flag) == 0) continue;
    attributes.clear |= MOUNT_ATTR__ATIME;
    if ((flags & known.flag) != 0) attributes.set |= known.attribute;
  }
  return attributes;
}

absl::StatusOr<UniqueFd> CloneMount(int dir, const std::string& path, bool recursive) {
  const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                         (recursive ? unsigned{AT_RECURSIVE} : 0u) |
                         (path.empty() ? unsigned{AT_EMPTY_PATH} : 0u);
  UniqueFd fd(static_cast<int>(syscall(SYS_open_tree, dir, path.c_str(), flags)));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open_tree ", path));
  return fd;
}

absl::Status SetMountAttributes(int mount, const MountAttributes& attributes, bool recursive,
                                const std::string& what) {
  mount_attr attr{};
  attr.attr_set = attributes.set;
  attr.attr_clr = attributes.clear;
  const int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if ((attr.attr_set | attr.attr_clr) == 0 ||
      syscall(SYS_mount_setattr, mount, "", flags, &attr, sizeof attr) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("set mount attributes of ", what));
}

absl::Status SetPropagation(int mount, unsigned long propagation, const std::string& what) {
  mount_attr attr{};
  attr.propagation = propagation & ~kRecursive;
  const int flags = AT_EMPTY_PATH | ((propagation & kRecursive) != 0 ? AT_RECURSIVE : 0);
  if (attr.propagation == 0 ||
      syscall(SYS_mount_setattr, mount, "", flags, &attr, sizeof attr) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("set the propagation of ", what));
}

absl::Status MapMountIds(int mount, int userns, bool recursive, const std::string& what) {
  mount_attr attr{};
  attr.attr_set = MOUNT_ATTR_IDMAP;
  attr.userns_fd = static_cast<uint64_t>(userns);
  const int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
  if (syscall(SYS_mount_setattr, mount, "", flags, &attr, sizeof attr) == 0) {
    return absl::OkStatus();
  }
  if (errno != EINVAL) return ErrnoError(errno, absl::StrCat("map the ids of ", what));
  return Error(absl::StatusCode::kFailedPrecondition, "NO_IDMAP",
               absl::StrCat("the filesystem of ", what, " can't map ids"),
               "keep vxd's state, volumes and what is mounted from the host on ext4, xfs or btrfs");
}

absl::Status AttachMount(int mount, const std::string& path) {
  if (syscall(SYS_move_mount, mount, "", AT_FDCWD, path.c_str(), MOVE_MOUNT_F_EMPTY_PATH) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("move_mount to ", path));
}

absl::Status AttachMount(int mount, int place, const std::string& what) {
  if (syscall(SYS_move_mount, mount, "", place, "",
              MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("mount on ", what));
}

absl::StatusOr<UniqueFd> NewMount(const std::string& type, const std::string& source,
                                  unsigned long flags, const std::string& data) {
  UniqueFd fs(static_cast<int>(syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
  if (!fs.valid()) return ErrnoError(errno, absl::StrCat("mount ", type));
  const std::string& name = source.empty() ? type : source;
  if (Configure(fs.get(), FSCONFIG_SET_STRING, "source", name.c_str()) < 0) {
    return Failed(fs.get(), errno, absl::StrCat("mount ", type, " of ", name));
  }
  for (const FilesystemFlag& known : kFilesystemFlags) {
    if ((flags & known.flag) != 0) VX_RETURN_IF_ERROR(SetOption(fs.get(), known.name, type));
  }
  for (absl::string_view option : absl::StrSplit(data, ',', absl::SkipEmpty())) {
    VX_RETURN_IF_ERROR(SetOption(fs.get(), option, type));
  }
  if (Configure(fs.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr) < 0) {
    return Failed(fs.get(), errno, absl::StrCat("mount ", type));
  }
  UniqueFd mount(
      static_cast<int>(syscall(SYS_fsmount, fs.get(), FSMOUNT_CLOEXEC, ToAttributes(flags).set)));
  if (!mount.valid()) return Failed(fs.get(), errno, absl::StrCat("mount ", type));
  return mount;
}

absl::Status Mount(const char* source, const std::string& target, const char* type,
                   unsigned long flags, const std::string& data) {
  if (mount(source, target.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("mount ", type == nullptr ? source : type, " on ", target,
                                        data.empty() ? "" : " with ", data));
}

}  // namespace vx::container
