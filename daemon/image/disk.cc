#include "daemon/image/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/image/overlay_marks.h"

namespace vx::image {
namespace {

using DirHandle = std::unique_ptr<DIR, int (*)(DIR*)>;

constexpr int64_t kBlock = 4096;
// Files that a guest may add.
constexpr int64_t kSpareInodes = 65536;
constexpr absl::Duration kMakeTimeout = absl::Minutes(10);

absl::StatusOr<UniqueFd> OpenDirAt(int folder, const char* name) {
  UniqueFd fd(openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", name, " of a layer"));
  return fd;
}

absl::StatusOr<DirHandle> OpenDirStream(int fd) {
  DirHandle dir(fdopendir(dup(fd)), closedir);
  if (!dir) return ErrnoError(errno, "open a folder of a layer");
  rewinddir(dir.get());
  return dir;
}

bool IsDotName(absl::string_view name) { return name == "." || name == ".."; }

absl::Status RemoveAt(int folder, const char* name) {
  return RemoveTree(absl::StrCat("/proc/self/fd/", folder, "/", name));
}

absl::Status EmptyFolder(int folder) {
  VX_ASSIGN_OR_RETURN(DirHandle dir, OpenDirStream(folder));
  while (dirent* entry = readdir(dir.get())) {
    if (!IsDotName(entry->d_name)) VX_RETURN_IF_ERROR(RemoveAt(folder, entry->d_name));
  }
  return absl::OkStatus();
}

// All but the overlay's own.
void CopyXattrs(int from, int to) {
  char names[4096];
  ssize_t size = flistxattr(from, names, sizeof names);
  for (const char* name = names; name < names + size; name += strlen(name) + 1) {
    if (absl::StrContains(name, ".overlay.")) continue;
    char value[4096];
    ssize_t length = fgetxattr(from, name, value, sizeof value);
    if (length >= 0) fsetxattr(to, name, value, length, 0);
  }
}

absl::Status CopyFolderMeta(int from, int to) {
  struct stat st;
  if (fstat(from, &st) < 0) return ErrnoError(errno, "stat a folder of a layer");
  if (geteuid() == 0 && fchown(to, st.st_uid, st.st_gid) < 0) {
    return ErrnoError(errno, "set the owner of a folder");
  }
  if (fchmod(to, st.st_mode & 07777) < 0) return ErrnoError(errno, "set the mode of a folder");
  CopyXattrs(from, to);
  timespec times[2] = {st.st_mtim, st.st_mtim};
  if (futimens(to, times) < 0) return ErrnoError(errno, "set the time of a folder");
  return absl::OkStatus();
}

absl::Status MergeFolder(int from, int to);

absl::Status MergeSubfolder(int from, int to, const char* name) {
  struct stat st;
  bool there = fstatat(to, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
  if (there && !S_ISDIR(st.st_mode)) VX_RETURN_IF_ERROR(RemoveAt(to, name));
  if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) {
    return ErrnoError(errno, absl::StrCat("mkdir ", name));
  }
  VX_ASSIGN_OR_RETURN(UniqueFd source, OpenDirAt(from, name));
  VX_ASSIGN_OR_RETURN(UniqueFd target, OpenDirAt(to, name));
  if (IsOpaque(source.get())) VX_RETURN_IF_ERROR(EmptyFolder(target.get()));
  return MergeFolder(source.get(), target.get());
}

absl::Status MergeEntry(int from, int to, const char* name) {
  struct stat st;
  if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
    return ErrnoError(errno, absl::StrCat("stat ", name, " of a layer"));
  }
  if (S_ISDIR(st.st_mode)) return MergeSubfolder(from, to, name);
  VX_RETURN_IF_ERROR(RemoveAt(to, name));
  if (IsWhiteout(st)) return absl::OkStatus();
  if (linkat(from, name, to, name, 0) == 0) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("link ", name, " of a layer"));
}

absl::Status MergeFolder(int from, int to) {
  VX_ASSIGN_OR_RETURN(DirHandle dir, OpenDirStream(from));
  while (dirent* entry = readdir(dir.get())) {
    if (!IsDotName(entry->d_name)) VX_RETURN_IF_ERROR(MergeEntry(from, to, entry->d_name));
  }
  return CopyFolderMeta(from, to);
}

struct TreeSize {
  int64_t bytes = 0;
  int64_t inodes = 0;
};

int64_t RoundUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

absl::Status Measure(int folder, TreeSize& size) {
  VX_ASSIGN_OR_RETURN(DirHandle dir, OpenDirStream(folder));
  while (dirent* entry = readdir(dir.get())) {
    struct stat st;
    if (IsDotName(entry->d_name)) continue;
    if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
      return ErrnoError(errno, absl::StrCat("stat ", entry->d_name));
    }
    ++size.inodes;
    size.bytes += RoundUp(st.st_size, kBlock);
    if (!S_ISDIR(st.st_mode)) continue;
    VX_ASSIGN_OR_RETURN(UniqueFd child, OpenDirAt(folder, entry->d_name));
    VX_RETURN_IF_ERROR(Measure(child.get(), size));
  }
  return absl::OkStatus();
}

// In /sbin where PATH hasn't it.
absl::StatusOr<std::string> FindMke2fs() {
  std::string program = FindProgram("mke2fs");
  for (const char* path : {"/usr/sbin/mke2fs", "/sbin/mke2fs"}) {
    if (program.empty() && PathExists(path)) program = path;
  }
  if (!program.empty()) return program;
  return Error(absl::StatusCode::kFailedPrecondition, "MKE2FS_MISSING",
               "mke2fs, which makes the root disk of a VM, is not installed",
               "install the package e2fsprogs");
}

}  // namespace

absl::Status MergeLayers(const std::vector<std::string>& layers, const std::string& out) {
  VX_ASSIGN_OR_RETURN(UniqueFd target, OpenFile(out, O_RDONLY | O_DIRECTORY));
  for (const std::string& layer : layers) {
    VX_ASSIGN_OR_RETURN(UniqueFd source, OpenFile(layer, O_RDONLY | O_DIRECTORY));
    if (IsOpaque(source.get())) VX_RETURN_IF_ERROR(EmptyFolder(target.get()));
    VX_RETURN_IF_ERROR(MergeFolder(source.get(), target.get()));
  }
  return absl::OkStatus();
}

absl::Status MakeDisk(const std::string& dir, const std::string& image) {
  VX_ASSIGN_OR_RETURN(std::string mke2fs, FindMke2fs());
  VX_ASSIGN_OR_RETURN(UniqueFd root, OpenFile(dir, O_RDONLY | O_DIRECTORY));
  TreeSize content;
  VX_RETURN_IF_ERROR(Measure(root.get(), content));
  // A fifth more for what the filesystem needs itself.
  int64_t size = RoundUp(content.bytes + content.bytes / 5 + kDiskRoom, int64_t{1} << 20);
  std::string inodes = absl::StrCat(content.inodes + kSpareInodes);
  return RunCommandOk({mke2fs, "-q", "-F", "-t", "ext4", "-b", absl::StrCat(kBlock), "-m", "0",
                       "-O", "^has_journal", "-N", inodes, "-E", "root_owner=0:0", "-d", dir, image,
                       absl::StrCat(size >> 10, "k")},
                      kMakeTimeout)
      .status();
}

}  // namespace vx::image
