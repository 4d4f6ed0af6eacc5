#include "plugins/shim/copy_up.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace vx::shim {
namespace {

// In a volume while it is filled.
constexpr char kMark[] = ".vx-filling";
constexpr int kDeepest = 200;
constexpr size_t kMaxAttribute = 65536;
constexpr size_t kPiece = size_t{16} << 20;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) {}
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const { return fd_; }

 private:
  const int fd_;
};

// The entries of a folder.
class Entries {
 public:
  explicit Entries(int fd) : dir_(fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC))) {}
  ~Entries() {
    if (dir_ != nullptr) closedir(dir_);
  }
  Entries(const Entries&) = delete;
  Entries& operator=(const Entries&) = delete;

  bool good() const { return dir_ != nullptr; }
  // Null at the end.
  const char* Next() {
    while (const dirent* entry = readdir(dir_)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") return entry->d_name;
    }
    return nullptr;
  }

 private:
  DIR* const dir_;
};

class Copy {
 public:
  // The folders themselves are the caller's.
  bool Folder(int from, int to, int depth) {
    Entries entries(from);
    if (!entries.good() || depth > kDeepest) return false;
    while (const char* name = entries.Next()) {
      if (Entry(from, name, to, depth)) continue;
      if (where_.empty()) error_ = errno;
      where_ = where_.empty() ? name : std::string(name) + "/" + where_;
      return false;
    }
    return true;
  }

  std::string Problem() const {
    return where_ + ": " + strerror(error_ != 0 ? error_ : errno);
  }

 private:
  bool Entry(int from, const char* name, int to, int depth) {
    struct stat st = {};
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT;
    switch (st.st_mode & S_IFMT) {
      case S_IFDIR:
        return SubFolder(from, name, to, st, depth);
      case S_IFREG:
        return File(from, name, to, st);
      case S_IFLNK:
        return Link(from, name, to, st);
      default:
        return Node(name, to, st);
    }
  }

  bool SubFolder(int from, const char* name, int to, const struct stat& st, int depth) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if (mkdirat(to, name, 0700) < 0 && errno != EEXIST) return false;
    const Fd source(openat(from, name, flags));
    const Fd target(openat(to, name, flags));
    return source.get() >= 0 && target.get() >= 0 &&
           Folder(source.get(), target.get(), depth + 1) && Finish(source.get(), target.get(), st);
  }

  bool File(int from, const char* name, int to, const struct stat& st) {
    // Of a copy that was cut short.
    if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return false;
    const Fd source(openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
    const Fd target(openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (source.get() < 0 || target.get() < 0) return false;
    while (true) {
      const ssize_t n = sendfile(target.get(), source.get(), nullptr, kPiece);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return false;
      if (n == 0) return Finish(source.get(), target.get(), st);
    }
  }

  bool Link(int from, const char* name, int to, const struct stat& st) {
    char target[4096];
    const ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0) return false;
    target[n] = '\0';
    if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return false;
    return symlinkat(target, to, name) == 0 && Own(to, name, st);
  }

  bool Node(const char* name, int to, const struct stat& st) {
    if (S_ISSOCK(st.st_mode)) return true;
    if (unlinkat(to, name, 0) < 0 && errno != ENOENT) return false;
    if (mknodat(to, name, st.st_mode, st.st_rdev) < 0) return errno == EPERM;
    return Own(to, name, st) && fchmodat(to, name, st.st_mode & 07777, 0) == 0;
  }

  static bool Own(int dir, const char* name, const struct stat& st) {
    return fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) == 0;
  }

 public:
  // Owner first: a change of it takes set-user-id bits away. Times last.
  static bool Finish(int from, int to, const struct stat& st) {
    const timespec times[2] = {st.st_atim, st.st_mtim};
    if (fchown(to, st.st_uid, st.st_gid) < 0 || fchmod(to, st.st_mode & 07777) < 0) return false;
    Attributes(from, to);
    return futimens(to, times) == 0;
  }

 private:
  // As far as the filesystem has room for them.
  static void Attributes(int from, int to) {
    std::string names(kMaxAttribute, '\0'), value(kMaxAttribute, '\0');
    const ssize_t size = flistxattr(from, names.data(), names.size());
    if (size <= 0) return;
    for (const char* name = names.data(); name < names.data() + size; name += strlen(name) + 1) {
      const ssize_t n = fgetxattr(from, name, value.data(), value.size());
      if (n >= 0) fsetxattr(to, name, value.data(), static_cast<size_t>(n), 0);
    }
  }

  int error_ = 0;
  std::string where_;
};

// Nothing in it, or what is not whole.
bool IsNew(int dir) {
  struct stat st = {};
  if (fstatat(dir, kMark, &st, AT_SYMLINK_NOFOLLOW) == 0) return true;
  Entries entries(dir);
  while (const char* name = entries.good() ? entries.Next() : nullptr) {
    // A filesystem's own, as a volume may be one.
    if (strcmp(name, "lost+found") != 0) return false;
  }
  return entries.good();
}

}  // namespace

bool CopyUp(int from, int to, std::string* error) {
  const Fd source(openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const Fd target(openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st = {};
  Copy copy;
  if (source.get() >= 0 && target.get() >= 0 && fstat(source.get(), &st) == 0) {
    // Let go when it is closed.
    flock(target.get(), LOCK_EX);
    if (!IsNew(target.get())) return true;
    const Fd mark(openat(target.get(), kMark, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (mark.get() >= 0 && copy.Folder(source.get(), target.get(), 0) && fsync(target.get()) == 0 &&
        unlinkat(target.get(), kMark, 0) == 0 && Copy::Finish(source.get(), target.get(), st)) {
      return true;
    }
  }
  *error = copy.Problem();
  return false;
}

}  // namespace vx::shim
