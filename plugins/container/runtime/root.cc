#include "plugins/container/runtime/root.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/cgroup.h"
#include "plugins/container/runtime/mount_calls.h"
#include "plugins/container/runtime/stage.h"

namespace vx::container {
namespace {

// A volatile upper that was in use refuses to be mounted again before this mark
// is gone; its content is the caller's risk (a crash of the host).
void ForgetVolatileUse() {
  unlink("top/work/work/incompat/volatile/dirty");
  rmdir("top/work/work/incompat/volatile");
}

std::string OverlayOptions(const Config& config) {
  std::string options = "lowerdir=";
  for (size_t i = config.overlay->lower.size(); i-- > 0;) {
    absl::StrAppend(&options, "l", i, i > 0 ? ":" : "");
  }
  absl::StrAppend(&options, ",upperdir=top/upper,workdir=top/work");
  if ((config.new_namespaces & CLONE_NEWUSER) != 0) absl::StrAppend(&options, ",userxattr");
  if (config.overlay->is_volatile) absl::StrAppend(&options, ",volatile");
  return options;
}

absl::Status MountRoot(const Config& config) {
  // Where there is no overlay, the root is mounted once more over itself: one that
  // came from the host's namespace is locked there.
  if (!config.overlay) return Mount("root", "root", nullptr, MS_BIND | MS_REC, "");
  if (config.overlay->is_volatile) ForgetVolatileUse();
  return Mount("overlay", "root", "overlay", 0, OverlayOptions(config));
}

absl::StatusOr<UniqueFd> OpenPath(const char* path) {
  UniqueFd fd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  return fd;
}

absl::Status MakeFile(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash > 0) VX_RETURN_IF_ERROR(MakeDirs(path.substr(0, slash), 0755));
  UniqueFd fd(open(path.c_str(), O_CREAT | O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0644));
  return fd.valid() || errno == ENXIO || errno == EISDIR
             ? absl::OkStatus()
             : ErrnoError(errno, absl::StrCat("make ", path));
}

// A place to mount onto, of the kind of what is mounted.
absl::Status MakePlace(int tree, const std::string& path) {
  struct stat st{};
  if (access(path.c_str(), F_OK) == 0) return absl::OkStatus();
  if (fstat(tree, &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", path));
  return S_ISDIR(st.st_mode) ? MakeDirs(path, 0755) : MakeFile(path);
}

}  // namespace

absl::StatusOr<Root> Root::Enter(const Config& config) {
  VX_ASSIGN_OR_RETURN(UniqueFd old_root, OpenPath("/"));
  VX_ASSIGN_OR_RETURN(UniqueFd stage, OpenPath("."));
  VX_RETURN_IF_ERROR(MountRoot(config));
  if (chdir("root") < 0) return ErrnoError(errno, "enter the root");
  if (syscall(SYS_pivot_root, ".", ".") < 0) return ErrnoError(errno, "pivot_root");
  return Root(config, std::move(old_root), std::move(stage));
}

absl::Status Root::Furnish() {
  for (size_t i = 0; i < config_.mounts.size(); ++i) VX_RETURN_IF_ERROR(MountOne(i));
  VX_RETURN_IF_ERROR(WriteSysctls());
  for (const std::string& path : config_.readonly_paths) VX_RETURN_IF_ERROR(MakeReadOnly(path));
  for (const std::string& path : config_.masked_paths) VX_RETURN_IF_ERROR(Mask(path));
  VX_RETURN_IF_ERROR(DropOldRoot());
  if (!config_.readonly_root) return absl::OkStatus();
  return Mount("none", "/", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, "");
}

absl::Status Root::MountOne(size_t index) const {
  const MountConfig& mount = config_.mounts[index];
  if (IsStageDev(mount)) return AttachFromStage("dev", mount);
  if ((mount.flags & MS_BIND) != 0) return AttachFromStage(absl::StrCat("b", index), mount);
  if (mount.type == "cgroup" || mount.type == "cgroup2") return MountCgroup(mount);
  VX_RETURN_IF_ERROR(MakeDirs(mount.destination, 0755));
  return Mount(mount.source.empty() ? mount.type.c_str() : mount.source.c_str(), mount.destination,
               mount.type.c_str(), mount.flags, mount.data);
}

absl::Status Root::AttachFromStage(const std::string& name, const MountConfig& mount) const {
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(stage_.get(), name, (mount.flags & MS_REC) != 0));
  VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(mount.flags), mount.destination));
  VX_RETURN_IF_ERROR(MakePlace(tree.get(), mount.destination));
  return AttachMount(tree.get(), mount.destination);
}

// With v1 hierarchies there is no single filesystem to show; the container goes
// without.
absl::Status Root::MountCgroup(const MountConfig& mount) const {
  VX_ASSIGN_OR_RETURN(CgroupLayout layout, FindCgroups());
  if (layout.mode != CgroupMode::kV2) return absl::OkStatus();
  VX_RETURN_IF_ERROR(MakeDirs(mount.destination, 0755));
  return Mount("cgroup2", mount.destination, "cgroup2", mount.flags, "");
}

absl::Status Root::WriteSysctls() const {
  for (const auto& [key, value] : config_.sysctl) {
    std::string path = key;
    std::replace(path.begin(), path.end(), '.', '/');
    VX_RETURN_IF_ERROR(WriteToFile(absl::StrCat("/proc/sys/", path), value));
  }
  return absl::OkStatus();
}

absl::Status Root::MakeReadOnly(const std::string& path) const {
  auto tree = CloneMount(AT_FDCWD, path, /*recursive=*/true);
  if (absl::IsNotFound(tree.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(tree.status());
  VX_RETURN_IF_ERROR(SetMountAttributes(tree->get(), ToAttributes(MS_RDONLY), path));
  return AttachMount(tree->get(), path);
}

absl::Status Root::Mask(const std::string& path) const {
  struct stat st{};
  if (stat(path.c_str(), &st) < 0) {
    return errno == ENOENT || errno == ENOTDIR ? absl::OkStatus()
                                               : ErrnoError(errno, absl::StrCat("stat ", path));
  }
  const bool is_dir = S_ISDIR(st.st_mode);
  VX_ASSIGN_OR_RETURN(UniqueFd tree, is_dir ? CloneMount(stage_.get(), "empty", false)
                                            : CloneMount(old_root_.get(), "dev/null", false));
  if (is_dir) VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(MS_RDONLY), path));
  return AttachMount(tree.get(), path);
}

absl::Status Root::DropOldRoot() {
  if (fchdir(old_root_.get()) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
    return ErrnoError(errno, "leave the host's tree");
  }
  old_root_.reset();
  stage_.reset();
  return absl::OkStatus();
}

}  // namespace vx::container
