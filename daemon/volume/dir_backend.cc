#include "daemon/volume/dir_backend.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/volume/project_quota.h"

namespace vx::volume {
namespace {

constexpr char kData[] = "/data";
constexpr char kDisk[] = "/disk";

uint32_t SeedOf(const std::string& uid) {
  uint32_t seed = 0;
  (void)absl::SimpleHexAtoi(uid.substr(0, 8), &seed);
  return seed;
}

absl::Status Rename(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rename ", from, " to ", to));
}

absl::Status MakeDir(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("make folder ", path));
}

absl::Status MakeFile(const std::string& path, int64_t size_bytes) {
  VX_ASSIGN_OR_RETURN(UniqueFd image, OpenFile(path, O_WRONLY | O_CREAT | O_EXCL, 0600));
  if (ftruncate(image.get(), size_bytes) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("make ", path));
}

absl::Status SyncFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(path, O_RDONLY));
  if (fsync(file.get()) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("fsync ", path));
}

// With an empty ext4, as a guest may have nothing to make one by.
absl::Status MakeImage(const std::string& path, const v1::VolumeSpec& spec) {
  const bool packed = spec.format() == "qcow2";
  const std::string raw = packed ? path + ".raw" : path;
  VX_RETURN_IF_ERROR(MakeFile(raw, spec.size_bytes()));
  VX_RETURN_IF_ERROR(
      RunCommandOk({"mke2fs", "-q", "-F", "-t", "ext4", "-E", "root_owner=0:0", raw}).status());
  if (packed) {
    VX_RETURN_IF_ERROR(
        RunCommandOk({"qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", raw, path})
            .status());
    VX_RETURN_IF_ERROR(RemoveTree(raw));
    if (chmod(path.c_str(), 0600) < 0) return ErrnoError(errno, absl::StrCat("chmod ", path));
  }
  return SyncFile(path);
}

int64_t FileBytes(const std::string& path) {
  struct stat st{};
  return lstat(path.c_str(), &st) == 0 ? int64_t{st.st_blocks} * 512 : -1;
}

}  // namespace

absl::StatusOr<std::unique_ptr<DirBackend>> DirBackend::Open(const std::string& root) {
  VX_RETURN_IF_ERROR(MakeDirs(root, 0700));
  return std::unique_ptr<DirBackend>(new DirBackend(root));
}

absl::Status DirBackend::Check(const v1::VolumeSpec& spec) const {
  if (spec.type() == v1::VOLUME_TYPE_BLOCK || spec.size_bytes() == 0) return absl::OkStatus();
  return CheckSize();
}

absl::Status DirBackend::CheckSize() const { return CheckProjectQuota(root_); }

absl::Status DirBackend::Make(const std::string& uid, const v1::VolumeSpec& spec) {
  const std::string final = absl::StrCat(root_, "/", uid);
  const std::string fresh = absl::StrCat(root_, "/.new-", uid);
  if (PathExists(final)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(ClearData(fresh + kData));
  VX_RETURN_IF_ERROR(RemoveTree(fresh));
  VX_RETURN_IF_ERROR(MakeDir(fresh, 0700));
  auto undo = absl::MakeCleanup([&] {
    ClearData(fresh + kData).IgnoreError();
    RemoveTree(fresh).IgnoreError();
  });
  VX_RETURN_IF_ERROR(Fill(fresh, uid, spec));
  VX_RETURN_IF_ERROR(SyncDir(fresh));
  VX_RETURN_IF_ERROR(Rename(fresh, final));
  std::move(undo).Cancel();
  return SyncDir(root_);
}

absl::Status DirBackend::Fill(const std::string& dir, const std::string& uid,
                              const v1::VolumeSpec& spec) const {
  if (spec.type() == v1::VOLUME_TYPE_BLOCK) return MakeImage(dir + kDisk, spec);
  return MakeData(dir + kData, uid, spec.size_bytes());
}

absl::Status DirBackend::MakeData(const std::string& data, const std::string& uid,
                                  int64_t size_bytes) const {
  VX_RETURN_IF_ERROR(MakeDir(data, 0755));
  if (size_bytes == 0) return absl::OkStatus();
  return SetProjectQuota(data, size_bytes, SeedOf(uid));
}

absl::Status DirBackend::ClearData(const std::string& data) const {
  return ClearProjectQuota(data);
}

int64_t DirBackend::DataBytes(const std::string& data) const { return ProjectBytes(data); }

absl::Status DirBackend::Remove(const std::string& uid) {
  const std::string gone = absl::StrCat(root_, "/.gone-", uid);
  for (const char* prefix : {"/", "/.new-"}) {
    const std::string path = absl::StrCat(root_, prefix, uid);
    if (!PathExists(path)) continue;
    VX_RETURN_IF_ERROR(ClearData(path + kData));
    VX_RETURN_IF_ERROR(RemoveTree(gone));
    VX_RETURN_IF_ERROR(Rename(path, gone));
  }
  VX_RETURN_IF_ERROR(RemoveTree(gone));
  return SyncDir(root_);
}

std::string DirBackend::PathOf(const std::string& uid, v1::VolumeType type) const {
  return absl::StrCat(root_, "/", uid, type == v1::VOLUME_TYPE_BLOCK ? kDisk : kData);
}

int64_t DirBackend::UsedBytes(const std::string& uid, v1::VolumeType type) const {
  const std::string path = PathOf(uid, type);
  return type == v1::VOLUME_TYPE_BLOCK ? FileBytes(path) : DataBytes(path);
}

}  // namespace vx::volume
