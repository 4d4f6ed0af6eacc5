#include "plugins/container/runtime/root.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
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
#include "plugins/container/runtime/stage.h"
#include "plugins/container/runtime/stages.h"
#include "plugins/shim/copy_up.h"

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

// What is mounted on it needs places there, which are made after it.
bool IsSealedLater(const MountConfig& mount) {
  return mount.type == "tmpfs" && (mount.flags & (MS_BIND | MS_RDONLY)) == MS_RDONLY;
}

std::string SysctlPath(const std::string& key) {
  std::string path = key;
  if (path.find('/') == std::string::npos) std::replace(path.begin(), path.end(), '.', '/');
  return absl::StrCat("/proc/sys/", path);
}

bool IsProc(int fd) {
  struct statfs info{};
  return fstatfs(fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
}

absl::StatusOr<bool> IsDir(int fd, const std::string& what) {
  struct stat st{};
  if (fstat(fd, &st) < 0) return ErrnoError(errno, absl::StrCat("stat ", what));
  return S_ISDIR(st.st_mode);
}

}  // namespace

absl::StatusOr<Root> Root::Enter(const Config& config) {
  Root root(config);
  VX_RETURN_IF_ERROR(MountRoot(config));
  EndStage("overlay");
  VX_RETURN_IF_ERROR(root.Prepare());
  VX_RETURN_IF_ERROR(root.Pivot());
  EndStage("pivot");
  return root;
}

absl::Status Root::Prepare() {
  for (size_t i = 0; i < config_.mounts.size(); ++i) {
    VX_ASSIGN_OR_RETURN(UniqueFd mount, MakeMount(i));
    mounts_.push_back(std::move(mount));
  }
  if (config_.masked_paths.empty()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(empty_.mount, CloneMount(AT_FDCWD, "empty", false));
  VX_ASSIGN_OR_RETURN(null_.mount, CloneMount(AT_FDCWD, "/dev/null", false));
  return SetMountAttributes(empty_.mount.get(), ToAttributes(MS_RDONLY), false, "an empty folder");
}

absl::Status Root::Pivot() {
  VX_ASSIGN_OR_RETURN(UniqueFd old_root, OpenPath("/"));
  if (chdir("root") < 0) return ErrnoError(errno, "enter the root");
  if (syscall(SYS_pivot_root, ".", ".") < 0) return ErrnoError(errno, "pivot_root");
  if (fchdir(old_root.get()) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
    return ErrnoError(errno, "leave the host's tree");
  }
  VX_ASSIGN_OR_RETURN(root_, OpenPath("/"));
  return absl::OkStatus();
}

absl::Status Root::Furnish() {
  for (size_t i = 0; i < config_.mounts.size(); ++i) VX_RETURN_IF_ERROR(Attach(i));
  for (const auto& [key, value] : config_.sysctl) VX_RETURN_IF_ERROR(WriteSysctl(key, value));
  for (const std::string& path : config_.readonly_paths) VX_RETURN_IF_ERROR(MakeReadOnly(path));
  for (const std::string& path : config_.masked_paths) VX_RETURN_IF_ERROR(Mask(path));
  return Seal();
}

absl::StatusOr<UniqueFd> Root::MakeMount(size_t index) const {
  const MountConfig& mount = config_.mounts[index];
  const unsigned long flags = IsSealedLater(mount) ? mount.flags & ~MS_RDONLY : mount.flags;
  if (IsStageDev(mount)) {
    VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(AT_FDCWD, "dev", /*recursive=*/true));
    VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(flags), false, "/dev"));
    return tree;
  }
  if ((mount.flags & MS_BIND) != 0) {
    return CloneMount(AT_FDCWD, absl::StrCat("b", index), (mount.flags & MS_REC) != 0);
  }
  if (IsCgroup(mount)) return MakeCgroupMount(index);
  return NewMount(mount.type, mount.source, flags, mount.data);
}

absl::StatusOr<UniqueFd> Root::MakeCgroupMount(size_t index) const {
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout layout, cgroup::FindCgroups());
  if (layout.mode == cgroup::CgroupMode::kV2) {
    return NewMount("cgroup2", "cgroup", config_.mounts[index].flags, "");
  }
  VX_ASSIGN_OR_RETURN(UniqueFd tree,
                      CloneMount(AT_FDCWD, absl::StrCat("g", index), /*recursive=*/true));
  VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(MS_RDONLY), false, "cgroup"));
  return tree;
}

absl::Status Root::Attach(size_t index) {
  const MountConfig& mount = config_.mounts[index];
  UniqueFd tree = std::move(mounts_[index]);
  VX_ASSIGN_OR_RETURN(bool is_dir, IsDir(tree.get(), mount.destination));
  VX_ASSIGN_OR_RETURN(UniqueFd place, MakePlaceInside(root_.get(), mount.destination, is_dir));
  if (mount.copies_up && is_dir) VX_RETURN_IF_ERROR(Fill(mount, place.get(), tree.get()));
  VX_RETURN_IF_ERROR(AttachMount(tree.get(), place.get(), mount.destination));
  if ((mount.propagation & MS_UNBINDABLE) != 0) {
    VX_RETURN_IF_ERROR(SetPropagation(tree.get(), mount.propagation, mount.destination));
  }
  if (IsSealedLater(mount)) sealed_.push_back({std::move(tree), mount.destination});
  return absl::OkStatus();
}

absl::Status Root::Fill(const MountConfig& mount, int place, int tree) const {
  std::string error;
  if (shim::CopyUp(place, tree, &error)) return absl::OkStatus();
  return Error(absl::StatusCode::kInternal, "COPY_UP",
               absl::StrCat("the new volume on ", mount.destination,
                            " can't be given what the image has there: ", error),
               "leave it empty by :nocopy");
}

absl::Status Root::WriteSysctl(const std::string& key, const std::string& value) const {
  const std::string path = SysctlPath(key);
  auto file = OpenInside(root_.get(), path, O_WRONLY);
  if (!file.ok()) return Annotate(file.status(), absl::StrCat("sysctl ", key));
  if (!IsProc(file->get())) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_PROC",
                 absl::StrCat("sysctl ", key, " can't be set: no proc is mounted on /proc"));
  }
  return WriteAll(file->get(), value, absl::StrCat("setting sysctl ", key));
}

absl::Status Root::MakeReadOnly(const std::string& path) const {
  auto place = OpenInside(root_.get(), path, O_PATH);
  if (absl::IsNotFound(place.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(place.status());
  VX_ASSIGN_OR_RETURN(UniqueFd tree, CloneMount(place->get(), "", /*recursive=*/true));
  VX_RETURN_IF_ERROR(SetMountAttributes(tree.get(), ToAttributes(MS_RDONLY), true, path));
  return AttachMount(tree.get(), place->get(), path);
}

absl::Status Root::Mask(const std::string& path) {
  auto place = OpenInside(root_.get(), path, O_PATH);
  if (absl::IsNotFound(place.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(place.status());
  VX_ASSIGN_OR_RETURN(bool is_dir, IsDir(place->get(), path));
  return PutCover(is_dir ? empty_ : null_, place->get(), path);
}

absl::Status Root::PutCover(Cover& cover, int place, const std::string& path) {
  if (!cover.is_attached) {
    cover.is_attached = true;
    return AttachMount(cover.mount.get(), place, path);
  }
  VX_ASSIGN_OR_RETURN(UniqueFd copy, CloneMount(cover.mount.get(), "", /*recursive=*/false));
  return AttachMount(copy.get(), place, path);
}

absl::Status Root::Seal() {
  for (const Sealed& sealed : sealed_) {
    VX_RETURN_IF_ERROR(
        SetMountAttributes(sealed.mount.get(), ToAttributes(MS_RDONLY), false, sealed.what));
  }
  if ((config_.root_propagation & (MS_SLAVE | MS_UNBINDABLE)) != 0) {
    VX_RETURN_IF_ERROR(SetPropagation(root_.get(), config_.root_propagation, "the root"));
  }
  if (!config_.readonly_root) return absl::OkStatus();
  return SetMountAttributes(root_.get(), ToAttributes(MS_RDONLY), false, "the root");
}

}  // namespace vx::container
