#include "daemon/volume/btrfs_backend.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::volume {
namespace {

absl::StatusOr<UniqueFd> OpenDir(const std::string& path) {
  return OpenFile(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

bool IsBtrfs(const std::string& path) {
  struct statfs info{};
  return statfs(path.c_str(), &info) == 0 &&
         static_cast<unsigned long>(info.f_type) == BTRFS_SUPER_MAGIC;
}

bool IsSubvolume(const std::string& path) {
  struct stat st{};
  return stat(path.c_str(), &st) == 0 && st.st_ino == BTRFS_FIRST_FREE_OBJECTID && IsBtrfs(path);
}

// Of the entry `path` in its folder.
absl::Status InParent(unsigned long request, const std::string& path, const char* doing) {
  VX_ASSIGN_OR_RETURN(UniqueFd parent, OpenDir(ParentOf(path)));
  btrfs_ioctl_vol_args args{};
  const std::string name = path.substr(path.rfind('/') + 1);
  strncpy(args.name, name.c_str(), sizeof args.name - 1);
  if (ioctl(parent.get(), request, &args) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat(doing, " subvolume ", path));
}

// Fine when they are on.
absl::Status SwitchQuotasOn(int fd, const std::string& path) {
  btrfs_ioctl_quota_ctl_args args{};
  args.cmd = BTRFS_QUOTA_CTL_ENABLE;
  if (ioctl(fd, BTRFS_IOC_QUOTA_CTL, &args) == 0 || errno == EEXIST) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "NO_QUOTA",
               absl::StrCat("the size of a volume can't be bounded: the btrfs of ", path,
                            " can't be given quotas: ", strerror(errno)),
               "leave the size out");
}

absl::Status Limit(int fd, int64_t bytes, const std::string& path) {
  btrfs_ioctl_qgroup_limit_args args{};
  args.lim.flags = BTRFS_QGROUP_LIMIT_MAX_RFER;
  args.lim.max_rfer = static_cast<uint64_t>(bytes);
  if (ioctl(fd, BTRFS_IOC_QGROUP_LIMIT, &args) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("set the quota of ", path));
}

// 0 where it can't be told.
uint64_t IdOf(int fd) {
  btrfs_ioctl_ino_lookup_args args{};
  args.objectid = BTRFS_FIRST_FREE_OBJECTID;
  return ioctl(fd, BTRFS_IOC_INO_LOOKUP, &args) == 0 ? args.treeid : 0;
}

// A group outlives its subvolume. Where it still counts something, it stays.
void RemoveGroup(int fd, uint64_t id) {
  btrfs_ioctl_qgroup_create_args args{};
  args.qgroupid = id;
  (void)ioctl(fd, BTRFS_IOC_QGROUP_CREATE, &args);
}

}  // namespace

absl::StatusOr<std::unique_ptr<BtrfsBackend>> BtrfsBackend::Open(const std::string& root) {
  VX_RETURN_IF_ERROR(MakeDirs(root, 0700));
  return std::unique_ptr<BtrfsBackend>(new BtrfsBackend(root));
}

absl::Status BtrfsBackend::Check(const v1::VolumeSpec& spec) const {
  if (IsBtrfs(root())) return DirBackend::Check(spec);
  return Error(absl::StatusCode::kFailedPrecondition, "NO_BTRFS",
               absl::StrCat(root(), ", where volumes are kept, is not on btrfs"),
               "use --backend dir, or set volumes.dir to a folder on btrfs");
}

absl::Status BtrfsBackend::MakeData(const std::string& data, const std::string& uid,
                                    int64_t size_bytes) const {
  VX_RETURN_IF_ERROR(InParent(BTRFS_IOC_SUBVOL_CREATE, data, "make"));
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenDir(data));
  if (fchmod(fd.get(), 0755) < 0) return ErrnoError(errno, absl::StrCat("chmod ", data));
  if (size_bytes == 0) return absl::OkStatus();
  VX_RETURN_IF_ERROR(SwitchQuotasOn(fd.get(), data));
  return Limit(fd.get(), size_bytes, data);
}

absl::Status BtrfsBackend::ClearData(const std::string& data) const {
  if (!IsSubvolume(data)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenDir(data));
  const uint64_t id = IdOf(fd.get());
  fd.reset();
  VX_RETURN_IF_ERROR(InParent(BTRFS_IOC_SNAP_DESTROY, data, "remove"));
  VX_ASSIGN_OR_RETURN(UniqueFd parent, OpenDir(ParentOf(data)));
  if (id != 0) RemoveGroup(parent.get(), id);
  return absl::OkStatus();
}

int64_t BtrfsBackend::DataBytes(const std::string& data) const {
  auto fd = OpenDir(data);
  if (!fd.ok()) return -1;
  btrfs_ioctl_search_args args{};
  btrfs_ioctl_search_key& key = args.key;
  key.tree_id = BTRFS_QUOTA_TREE_OBJECTID;
  key.min_type = key.max_type = BTRFS_QGROUP_INFO_KEY;
  key.min_offset = key.max_offset = IdOf(fd->get());
  key.max_transid = ~uint64_t{0};
  key.nr_items = 1;
  if (ioctl(fd->get(), BTRFS_IOC_TREE_SEARCH, &args) < 0 || key.nr_items != 1) return -1;
  btrfs_qgroup_info_item item{};
  memcpy(&item, args.buf + sizeof(btrfs_ioctl_search_header), sizeof item);
  return static_cast<int64_t>(item.rfer);
}

}  // namespace vx::volume
