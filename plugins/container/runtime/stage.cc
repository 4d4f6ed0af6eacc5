#include "plugins/container/runtime/stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/inside.h"
#include "plugins/container/runtime/mount_calls.h"
#include "plugins/container/runtime/user_namespace.h"

namespace vx::container {
namespace {

constexpr unsigned long kNoFlags = 0;

const DeviceConfig kDefaultDevices[] = {
    {"/dev/null", S_IFCHR, 1, 3},   {"/dev/zero", S_IFCHR, 1, 5},    {"/dev/full", S_IFCHR, 1, 7},
    {"/dev/random", S_IFCHR, 1, 8}, {"/dev/urandom", S_IFCHR, 1, 9}, {"/dev/tty", S_IFCHR, 5, 0}};

struct Link {
  const char* path;
  const char* target;
};

constexpr Link kLinks[] = {{"dev/fd", "/proc/self/fd"},
                           {"dev/stdin", "/proc/self/fd/0"},
                           {"dev/stdout", "/proc/self/fd/1"},
                           {"dev/stderr", "/proc/self/fd/2"},
                           {"dev/ptmx", "pts/ptmx"}};

absl::Status MakeDir(const std::string& path) {
  if (mkdir(path.c_str(), 0755) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("make folder ", path));
}

bool WantsSlaves(const Config& config) {
  const auto& mounts = config.mounts;
  return (config.root_propagation & MS_SLAVE) != 0 ||
         std::any_of(mounts.begin(), mounts.end(),
                     [](const MountConfig& mount) { return (mount.propagation & MS_SLAVE) != 0; });
}

absl::Status StageTree(const std::string& source, const std::string& target, int userns,
                       unsigned long flags) {
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, source, /*recursive=*/false));
  if (userns >= 0) VX_RETURN_IF_ERROR(MapMountIds(tree.get(), userns, false, source));
  VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(flags), false, source));
  VX_RETURN_IF_ERROR(MakeDir(target));
  return AttachMount(tree.get(), target);
}

absl::Status StageOverlay(const OverlayConfig& overlay, int userns) {
  for (size_t i = 0; i < overlay.lower.size(); ++i) {
    VX_RETURN_IF_ERROR(StageTree(overlay.lower[i], absl::StrCat("l", i), userns, MS_RDONLY));
  }
  return StageTree(overlay.upper, "top", userns, kNoFlags);
}

absl::Status StageRoot(const Config& config) {
  struct stat st{};
  VX_RETURN_IF_ERROR(MakeDir("root"));
  if (config.overlay) return absl::OkStatus();
  if (stat(config.rootfs.c_str(), &st) < 0 || !S_ISDIR(st.st_mode)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_ROOT",
                 absl::StrCat("root.path ", config.rootfs, " is no folder"));
  }
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, config.rootfs, /*recursive=*/true));
  if (!(config.root_propagation & MS_SLAVE)) {
    VX_RETURN_IF_ERROR(SetPropagation(tree.get(), MS_PRIVATE | MS_REC, config.rootfs));
  }
  return AttachMount(tree.get(), "root");
}

absl::Status Own(const Config& config, const std::string& path, uint32_t uid, uint32_t gid) {
  if (lchown(path.c_str(), config.HostUid(uid), config.HostGid(gid)) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("own ", path));
}

// The folders between the stage's dev and `path`.
absl::Status MakeParents(const Config& config, const std::string& path) {
  for (size_t slash = path.find('/', sizeof "dev"); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string dir = path.substr(0, slash);
    if (mkdir(dir.c_str(), 0755) == 0) {
      VX_RETURN_IF_ERROR(Own(config, dir, 0, 0));
    } else if (errno != EEXIST) {
      return ErrnoError(errno, absl::StrCat("make folder ", dir));
    }
  }
  return absl::OkStatus();
}

// Without the right to make nodes: the host's own, where it is the same device.
absl::Status BindNode(const DeviceConfig& device, const std::string& path) {
  struct stat st{};
  if (stat(device.path.c_str(), &st) < 0 || (st.st_mode & S_IFMT) != device.type ||
      st.st_rdev != makedev(device.major, device.minor)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_DEVICE",
                 absl::StrCat("device ", device.path, " can't be made, and the host's is another"));
  }
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, device.path, false));
  if (mknod(path.c_str(), S_IFREG | 0644, 0) < 0) {
    return ErrnoError(errno, absl::StrCat("make ", device.path));
  }
  return AttachMount(tree.get(), path);
}

absl::Status MakeNode(const Config& config, const DeviceConfig& device) {
  const std::string path = device.path.substr(1);
  VX_RETURN_IF_ERROR(MakeParents(config, path));
  if (mknod(path.c_str(), device.type | device.mode, makedev(device.major, device.minor)) == 0) {
    return Own(config, path, device.uid, device.gid);
  }
  if (errno == EEXIST) return absl::OkStatus();
  if (errno == EPERM) return BindNode(device, path);
  return ErrnoError(errno, absl::StrCat("make device ", device.path));
}

absl::Status MakeLinks(const Config& config) {
  for (const Link& link : kLinks) {
    if (symlink(link.target, link.path) < 0) {
      if (errno == EEXIST) continue;
      return ErrnoError(errno, absl::StrCat("make link ", link.path));
    }
    VX_RETURN_IF_ERROR(Own(config, link.path, 0, 0));
  }
  return absl::OkStatus();
}

// What the bundle says of a device wins over the default.
absl::Status StageDev(const Config& config, const MountConfig& mount) {
  VX_RETURN_IF_ERROR(MakeDir("dev"));
  const std::string owner = absl::StrCat("uid=", config.HostUid(0), ",gid=", config.HostGid(0));
  VX_RETURN_IF_ERROR(Mount("tmpfs", "dev", "tmpfs", mount.flags & ~(MS_RDONLY | MS_NODEV),
                           mount.data.empty() ? owner : absl::StrCat(mount.data, ",", owner)));
  for (const DeviceConfig& device : config.devices) {
    VX_RETURN_IF_ERROR(MakeNode(config, device));
  }
  for (const DeviceConfig& device : kDefaultDevices) {
    VX_RETURN_IF_ERROR(MakeNode(config, device));
  }
  return MakeLinks(config);
}

// Restrictions are those of all mounts below, too; what lifts one is the mount's own.
absl::Status ApplyOptions(int tree, const MountConfig& mount) {
  const bool below = (mount.flags & MS_REC) != 0;
  const unsigned long restrictions = mount.flags & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC);
  const std::string& what = mount.source;
  VX_RETURN_IF_ERROR(SetMountAttributes(tree, ToAttributes(restrictions), below, what));
  VX_RETURN_IF_ERROR(
      SetMountAttributes(tree, ToAttributes(mount.flags, mount.cleared), false, what));
  VX_RETURN_IF_ERROR(SetMountAttributes(
      tree, ToAttributes(mount.recursive_flags, mount.recursive_cleared), true, what));
  const bool slave = (mount.propagation & MS_SLAVE) != 0;
  return SetPropagation(tree, slave ? mount.propagation : MS_PRIVATE | MS_REC, what);
}

absl::Status MapIds(const MountConfig& mount, int tree, int userns) {
  if (!mount.maps_ids) return absl::OkStatus();
  if (mount.uid_mappings.empty()) {
    return MapMountIds(tree, userns, mount.maps_ids_below, mount.source);
  }
  VX_ASSIGN_OR_RETURN(UniqueFd own, MakeUserNamespace(mount.uid_mappings, mount.gid_mappings));
  return MapMountIds(tree, own.get(), mount.maps_ids_below, mount.source);
}

// What is below the source may be another container's: its links stay inside.
absl::StatusOr<UniqueFd> CloneSource(const MountConfig& mount) {
  const bool recursive = (mount.flags & MS_REC) != 0;
  if (mount.subpath.empty()) return CloneMount(AT_FDCWD, mount.source, recursive);
  VX_ASSIGN_OR_RETURN(UniqueFd source, OpenFile(mount.source, O_PATH | O_DIRECTORY));
  VX_ASSIGN_OR_RETURN(UniqueFd place,
                      MakePlaceInside(source.get(), absl::StrCat("/", mount.subpath), true));
  return CloneMount(place.get(), "", recursive);
}

absl::Status StageBind(const MountConfig& mount, const std::string& target, int userns) {
  struct stat st{};
  auto tree = CloneSource(mount);
  if (absl::IsNotFound(tree.status())) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_SOURCE",
                 absl::StrCat("what is to be mounted on ", mount.destination, ", ", mount.source,
                              ", does not exist"));
  }
  VX_RETURN_IF_ERROR(tree.status());
  if (fstat(tree->get(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", mount.source));
  const bool made = S_ISDIR(st.st_mode) ? mkdir(target.c_str(), 0755) == 0
                                        : mknod(target.c_str(), S_IFREG | 0644, 0) == 0;
  if (!made) return ErrnoError(errno, absl::StrCat("make ", target));
  VX_RETURN_IF_ERROR(MapIds(mount, tree->get(), userns));
  VX_RETURN_IF_ERROR(ApplyOptions(tree->get(), mount));
  return AttachMount(tree->get(), target);
}

absl::Status StageGroup(const std::string& group, const std::string& target) {
  constexpr unsigned long kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  if (PathExists(target) || !PathExists(group)) return absl::OkStatus();
  return StageTree(group, target, -1, kFlags);
}

// Hierarchies by the names of their mount points, as on the host.
absl::Status StageCgroups(const Config& config, const std::string& dir) {
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, cgroup::FindCgroups());
  if (layout.mode == cgroup::CgroupMode::kV2) return absl::OkStatus();
  VX_RETURN_IF_ERROR(MakeDir(dir));
  VX_RETURN_IF_ERROR(Mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755"));
  std::vector<std::string> mounts = layout.Hierarchies();
  if (!layout.unified.empty()) mounts.push_back(layout.unified);
  for (const std::string& mount : mounts) {
    const std::string group = absl::StrCat(mount, config.cgroups_path);
    if (!PathExists(group)) continue;
    const std::string name = mount.substr(mount.rfind('/') + 1);
    VX_RETURN_IF_ERROR(StageGroup(group, absl::StrCat(dir, "/", name)));
  }
  for (const auto& [controller, mount] : layout.controllers) {
    const std::string name = mount.substr(mount.rfind('/') + 1);
    const std::string link = absl::StrCat(dir, "/", controller);
    if (name != controller && symlink(name.c_str(), link.c_str()) < 0 && errno != EEXIST) {
      return ErrnoError(errno, absl::StrCat("make link ", link));
    }
  }
  return absl::OkStatus();
}

absl::Status StageMount(const Config& config, size_t index, int userns) {
  const MountConfig& mount = config.mounts[index];
  if (IsStageDev(mount)) return StageDev(config, mount);
  if ((mount.flags & MS_BIND) != 0) return StageBind(mount, absl::StrCat("b", index), userns);
  return IsCgroup(mount) ? StageCgroups(config, absl::StrCat("g", index)) : absl::OkStatus();
}

}  // namespace

bool IsStageDev(const MountConfig& mount) {
  return mount.destination == "/dev" && mount.type == "tmpfs" && (mount.flags & MS_BIND) == 0;
}

bool IsCgroup(const MountConfig& mount) {
  return (mount.flags & MS_BIND) == 0 && (mount.type == "cgroup" || mount.type == "cgroup2");
}

absl::Status MakeStage(const Config& config, const std::string& over) {
  if (unshare(CLONE_NEWNS) < 0) return ErrnoError(errno, "make a mount namespace");
  const unsigned long propagation = WantsSlaves(config) ? MS_SLAVE : MS_PRIVATE;
  VX_RETURN_IF_ERROR(Mount("none", "/", nullptr, propagation | MS_REC, ""));
  VX_RETURN_IF_ERROR(Mount("tmpfs", over, "tmpfs", MS_NOSUID, "mode=755,size=1m"));
  VX_RETURN_IF_ERROR(Mount("none", over, nullptr, MS_PRIVATE, ""));
  if (chdir(over.c_str()) < 0) return ErrnoError(errno, absl::StrCat("enter ", over));
  return absl::OkStatus();
}

absl::Status FillStage(const Config& config, int userns) {
  const mode_t old_mask = umask(0);
  VX_RETURN_IF_ERROR(MakeDir("empty"));
  if (config.overlay) VX_RETURN_IF_ERROR(StageOverlay(*config.overlay, userns));
  VX_RETURN_IF_ERROR(StageRoot(config));
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    VX_RETURN_IF_ERROR(StageMount(config, i, userns));
  }
  umask(old_mask);
  return absl::OkStatus();
}

}  // namespace vx::container
