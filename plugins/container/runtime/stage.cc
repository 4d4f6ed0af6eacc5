#include "plugins/container/runtime/stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/mount_calls.h"

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

absl::Status StageTree(const std::string& source, const std::string& target, int userns,
                       unsigned long flags) {
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, source, /*recursive=*/false));
  if (userns >= 0) VX_RETURN_IF_ERROR(MapMountIds(tree.get(), userns, source));
  VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(flags), source));
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
  VX_RETURN_IF_ERROR(MakeDir("root"));
  if (config.overlay) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, config.rootfs, /*recursive=*/true));
  return AttachMount(tree.get(), "root");
}

absl::Status MakeNode(const Config& config, const DeviceConfig& device) {
  const std::string path = device.path.substr(1);
  const bool made =
      mknod(path.c_str(), device.type | device.mode, makedev(device.major, device.minor)) == 0;
  if (!made && errno == EEXIST) return absl::OkStatus();
  if (made &&
      lchown(path.c_str(), config.root_uid() + device.uid, config.root_gid() + device.gid) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, absl::StrCat("make device ", device.path));
}

absl::Status MakeLinks(const Config& config) {
  for (const Link& link : kLinks) {
    if (symlink(link.target, link.path) < 0 ||
        lchown(link.path, config.root_uid(), config.root_gid()) < 0) {
      return ErrnoError(errno, absl::StrCat("make link ", link.path));
    }
  }
  return absl::OkStatus();
}

absl::Status StageDev(const Config& config, const MountConfig& mount) {
  VX_RETURN_IF_ERROR(MakeDir("dev"));
  const std::string owner = absl::StrCat("uid=", config.root_uid(), ",gid=", config.root_gid());
  VX_RETURN_IF_ERROR(Mount("tmpfs", "dev", "tmpfs", mount.flags & ~(MS_RDONLY | MS_NODEV),
                           mount.data.empty() ? owner : absl::StrCat(mount.data, ",", owner)));
  for (const DeviceConfig& device : kDefaultDevices) {
    VX_RETURN_IF_ERROR(MakeNode(config, device));
  }
  for (const DeviceConfig& device : config.devices) {
    VX_RETURN_IF_ERROR(MakeNode(config, device));
  }
  return MakeLinks(config);
}

absl::Status StageBind(const MountConfig& mount, const std::string& target) {
  struct stat st{};
  VX_ASSIGN_OR_RETURN(UniqueFd tree,
                      CloneMount(AT_FDCWD, mount.source, (mount.flags & MS_REC) != 0));
  if (fstat(tree.get(), &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", mount.source));
  const bool made = S_ISDIR(st.st_mode) ? mkdir(target.c_str(), 0755) == 0
                                        : mknod(target.c_str(), S_IFREG | 0644, 0) == 0;
  if (!made) return ErrnoError(errno, absl::StrCat("make ", target));
  return AttachMount(tree.get(), target);
}

}  // namespace

bool IsStageDev(const MountConfig& mount) {
  return mount.destination == "/dev" && mount.type == "tmpfs";
}

absl::Status MakeStage(const std::string& over) {
  if (unshare(CLONE_NEWNS) < 0) return ErrnoError(errno, "make a mount namespace");
  VX_RETURN_IF_ERROR(Mount("none", "/", nullptr, MS_PRIVATE | MS_REC, ""));
  VX_RETURN_IF_ERROR(Mount("tmpfs", over, "tmpfs", MS_NOSUID, "mode=755,size=1m"));
  if (chdir(over.c_str()) < 0) return ErrnoError(errno, absl::StrCat("enter ", over));
  return absl::OkStatus();
}

absl::Status FillStage(const Config& config, int userns) {
  const mode_t old_mask = umask(0);
  VX_RETURN_IF_ERROR(MakeDir("empty"));
  if (config.overlay) VX_RETURN_IF_ERROR(StageOverlay(*config.overlay, userns));
  VX_RETURN_IF_ERROR(StageRoot(config));
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const MountConfig& mount = config.mounts[i];
    if (IsStageDev(mount)) VX_RETURN_IF_ERROR(StageDev(config, mount));
    if ((mount.flags & MS_BIND) == 0) continue;
    VX_RETURN_IF_ERROR(StageBind(mount, absl::StrCat("b", i)));
  }
  umask(old_mask);
  return absl::OkStatus();
}

}  // namespace vx::container
