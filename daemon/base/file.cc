#include "daemon/base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"

namespace vx {
namespace {

// What a name ends with while its file is being written: this and random digits.
constexpr char kTemporary[] = ".tmp-";
constexpr int kTemporaryDigits = 8;

using DirHandle = std::unique_ptr<DIR, int (*)(DIR*)>;

// Deeper folders are moved up: a tree may be deeper than descriptors go around.
constexpr int kMaxDepth = 128;

// Whether the open folder is where something is mounted: bind mounts of the same
// filesystem too, which the device doesn't tell.
absl::StatusOr<bool> IsMount(int fd, const std::string& path) {
  struct statx st;
  if (statx(fd, "", AT_EMPTY_PATH, 0, &st) < 0) return ErrnoError(errno, "stat " + path);
  return (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

absl::StatusOr<UniqueFd> OpenForRemoval(int parent, const char* name, const std::string& path) {
  UniqueFd fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  VX_ASSIGN_OR_RETURN(const bool mount, IsMount(fd.get(), path));
  if (!mount) return fd;
  return Error(absl::StatusCode::kFailedPrecondition, "MOUNT_IN_THE_WAY",
               absl::StrCat(path, " is a mount and is not removed"), "unmount it first");
}

absl::Status EmptyDir(UniqueFd fd, int top, int depth, const std::string& path);

// Removes one name of the folder `parent`, whatever it is. `top` is the folder
// that all began with.
absl::Status RemoveEntry(int parent, const char* name, int top, int depth,
                         const std::string& path) {
  if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return ErrnoError(errno, absl::StrCat("remove ", path));
  VX_ASSIGN_OR_RETURN(UniqueFd child, OpenForRemoval(parent, name, path));
  if (depth >= kMaxDepth) {
    if (renameat(parent, name, top, absl::StrCat("deep-", RandomHex(16)).c_str()) == 0) {
      return absl::OkStatus();
    }
    return ErrnoError(errno, absl::StrCat("move up ", path));
  }
  VX_RETURN_IF_ERROR(EmptyDir(std::move(child), top, depth + 1, path));
  if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("rmdir ", path));
}

// Removes what is in the folder `fd`, which it owns.
absl::Status EmptyDir(UniqueFd fd, int top, int depth, const std::string& path) {
  DirHandle dir(fdopendir(fd.get()), closedir);
  if (!dir) return ErrnoError(errno, absl::StrCat("open ", path));
  const int dir_fd = fd.release();
  while (dirent* entry = readdir(dir.get())) {
    absl::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    VX_RETURN_IF_ERROR(
        RemoveEntry(dir_fd, entry->d_name, top, depth, absl::StrCat(path, "/", name)));
  }
  return absl::OkStatus();
}

}  // namespace

std::string ParentOf(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

absl::Status WriteAll(int fd, absl::string_view content, const std::string& doing) {
  while (!content.empty()) {
    ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, doing);
    content.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
  return fd;
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY));
  std::string content;
  char buffer[16384];
  while (true) {
    ssize_t n = read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(errno, absl::StrCat("read ", path));
    if (n == 0) return content;
    content.append(buffer, n);
  }
}

absl::Status WriteToFile(const std::string& path, absl::string_view content) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_WRONLY));
  if (write(fd.get(), content.data(), content.size()) < 0) {
    return ErrnoError(errno, absl::StrCat("write \"", content, "\" to ", path));
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomic(const std::string& path, absl::string_view content, mode_t mode,
                             Durability durability) {
  std::string temporary = absl::StrCat(path, kTemporary, RandomHex(kTemporaryDigits));
  auto remove = absl::MakeCleanup([&] { unlink(temporary.c_str()); });
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
  VX_RETURN_IF_ERROR(WriteAll(fd.get(), content, absl::StrCat("write ", temporary)));
  if (durability == Durability::kDurable && fsync(fd.get()) < 0) {
    return ErrnoError(errno, absl::StrCat("fsync ", temporary));
  }
  if (rename(temporary.c_str(), path.c_str()) < 0) {
    return ErrnoError(errno, absl::StrCat("rename to ", path));
  }
  std::move(remove).Cancel();
  return durability == Durability::kDurable ? SyncDir(ParentOf(path)) : absl::OkStatus();
}

void RemoveTemporaries(const std::string& dir) {
  auto names = ListDir(dir);
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    const size_t at = name.rfind(kTemporary);
    const bool ours =
        at != std::string::npos && at + sizeof kTemporary - 1 + kTemporaryDigits == name.size();
    if (ours) unlink(absl::StrCat(dir, "/", name).c_str());
  }
}

absl::Status MakeDirs(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return absl::OkStatus();
  if (errno != ENOENT || path.empty() || path == "/") {
    return ErrnoError(errno, absl::StrCat("mkdir ", path));
  }
  VX_RETURN_IF_ERROR(MakeDirs(ParentOf(path), mode));
  if (mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return absl::OkStatus();
  return ErrnoError(errno, absl::StrCat("mkdir ", path));
}

absl::Status RemoveTree(const std::string& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return absl::OkStatus();
  if (errno != EISDIR && errno != EPERM) return ErrnoError(errno, absl::StrCat("remove ", path));
  auto top = OpenForRemoval(AT_FDCWD, path.c_str(), path);
  if (absl::IsNotFound(top.status())) return absl::OkStatus();
  VX_RETURN_IF_ERROR(top.status());
  // Again, for what was moved up.
  while (rmdir(path.c_str()) < 0 && errno != ENOENT) {
    if (errno != ENOTEMPTY && errno != EEXIST)
      return ErrnoError(errno, absl::StrCat("rmdir ", path));
    UniqueFd again(openat(top->get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!again.valid()) return ErrnoError(errno, absl::StrCat("open ", path));
    VX_RETURN_IF_ERROR(EmptyDir(std::move(again), top->get(), 0, path));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path) {
  DirHandle dir(opendir(path.c_str()), closedir);
  if (!dir) return ErrnoError(errno, absl::StrCat("open ", path));
  std::vector<std::string> names;
  while (dirent* entry = readdir(dir.get())) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool PathExists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

absl::Status SyncDir(const std::string& path) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(path, O_RDONLY | O_DIRECTORY));
  if (fsync(fd.get()) < 0) return ErrnoError(errno, absl::StrCat("fsync ", path));
  return absl::OkStatus();
}

std::string ExecutableDir() {
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return ".";
  return ParentOf(std::string(path, n));
}

}  // namespace vx
