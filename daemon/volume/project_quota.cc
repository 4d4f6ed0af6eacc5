#include "daemon/volume/project_quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

#ifndef SYS_quotactl_fd
#define SYS_quotactl_fd 443
#endif

namespace vx::volume {
namespace {

constexpr int64_t kQuotaBlock = 1024;
// Above what people number by hand.
constexpr uint32_t kFirstProject = 0x40000000;
constexpr uint32_t kProjects = 0x3fffffff;
constexpr int kTries = 64;

long Quota(int fd, unsigned command, uint32_t id, void* data) {
  return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data);
}

bool IsEnforced(int fd) {
  fs_quota_statv state{};
  state.qs_version = FS_QSTATV_VERSION1;
  return Quota(fd, Q_XGETQSTATV, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ENFD) != 0;
}

const char* FilesystemName(long magic) {
  switch (magic) {
    case 0xEF53:
      return "ext4";
    case 0x58465342:
      return "xfs";
    case 0x9123683E:
      return "btrfs";
    case 0x01021994:
      return "tmpfs";
    case 0x794c7630:
      return "overlay";
    default:
      return "of this type";
  }
}

std::string HintFor(long magic) {
  switch (magic) {
    case 0xEF53:
      return "unmounted: tune2fs -O project,quota DEVICE; then mount it with prjquota";
    case 0x58465342:
      return "mount it with prjquota";
    case 0x9123683E:
      return "use --backend btrfs";
    default:
      return "leave the size out, or keep vxd's state on ext4 or xfs";
  }
}

uint32_t ProjectOf(int fd) {
  fsxattr attributes{};
  return ioctl(fd, FS_IOC_FSGETXATTR, &attributes) == 0 ? attributes.fsx_projid : 0;
}

std::optional<if_dqblk> Read(int fd, uint32_t project) {
  if_dqblk quota{};
  if (Quota(fd, Q_GETQUOTA, project, &quota) < 0) return std::nullopt;
  return quota;
}

bool IsFree(int fd, uint32_t project) {
  const std::optional<if_dqblk> quota = Read(fd, project);
  return !quota || (quota->dqb_curspace == 0 && quota->dqb_curinodes == 0 &&
                    quota->dqb_bhardlimit == 0 && quota->dqb_bsoftlimit == 0);
}

absl::StatusOr<uint32_t> FindProject(int fd, uint32_t seed, const std::string& dir) {
  for (int i = 0; i < kTries; ++i) {
    const uint32_t project = kFirstProject + (seed + static_cast<uint32_t>(i)) % kProjects;
    if (IsFree(fd, project)) return project;
  }
  return Error(absl::StatusCode::kResourceExhausted, "NO_PROJECT",
               absl::StrCat("the filesystem of ", dir, " has no free project to bound it by"));
}

absl::Status Limit(int fd, uint32_t project, int64_t bytes, const std::string& dir) {
  if_dqblk quota{};
  quota.dqb_bhardlimit = static_cast<uint64_t>((bytes + kQuotaBlock - 1) / kQuotaBlock);
  quota.dqb_bsoftlimit = quota.dqb_bhardlimit;
  quota.dqb_valid = QIF_BLIMITS;
  if (Quota(fd, Q_SETQUOTA, project, &quota) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("set the quota of ", dir));
}

absl::Status Join(int fd, uint32_t project, const std::string& dir) {
  fsxattr attributes{};
  if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0) {
    return ErrnoError(errno, absl::StrCat("read the project of ", dir));
  }
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (ioctl(fd, FS_IOC_FSSETXATTR, &attributes) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("set the project of ", dir));
}

absl::StatusOr<UniqueFd> Open(const std::string& dir) {
  return OpenFile(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

}  // namespace

absl::Status CheckProjectQuota(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, Open(dir));
  if (IsEnforced(fd.get())) return absl::OkStatus();
  struct statfs info{};
  if (fstatfs(fd.get(), &info) < 0) return ErrnoError(errno, absl::StrCat("statfs ", dir));
  return Error(absl::StatusCode::kFailedPrecondition, "NO_QUOTA",
               absl::StrCat("the size of a volume can't be bounded: the filesystem of ", dir, ", ",
                            FilesystemName(info.f_type), ", enforces no project quotas"),
               HintFor(info.f_type));
}

absl::Status SetProjectQuota(const std::string& dir, int64_t bytes, uint32_t seed) {
  VX_RETURN_IF_ERROR(CheckProjectQuota(dir));
  VX_ASSIGN_OR_RETURN(UniqueFd fd, Open(dir));
  VX_ASSIGN_OR_RETURN(uint32_t project, FindProject(fd.get(), seed, dir));
  VX_RETURN_IF_ERROR(Limit(fd.get(), project, bytes, dir));
  return Join(fd.get(), project, dir);
}

absl::Status ClearProjectQuota(const std::string& dir) {
  auto fd = Open(dir);
  if (absl::IsNotFound(fd.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(fd.status());
  const uint32_t project = ProjectOf(fd->get());
  if (project < kFirstProject || !Read(fd->get(), project)) return absl::OkStatus();
  return Limit(fd->get(), project, 0, dir);
}

int64_t ProjectBytes(const std::string& dir) {
  auto fd = Open(dir);
  if (!fd.ok()) return -1;
  const uint32_t project = ProjectOf(fd->get());
  if (project < kFirstProject) return -1;
  const std::optional<if_dqblk> quota = Read(fd->get(), project);
  return quota ? static_cast<int64_t>(quota->dqb_curspace) : -1;
}

}  // namespace vx::volume
