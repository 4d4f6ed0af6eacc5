#include "daemon/volume/usage.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <set>

#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx::volume {
namespace {

constexpr int64_t kBlock = 512;
// Each level holds a descriptor.
constexpr int kDeepest = 128;

class Counter {
 public:
  explicit Counter(int most) : left_(most) {}

  bool Walk(UniqueFd fd, int depth) {
    if (!fd.valid() || depth > kDeepest) return false;
    std::unique_ptr<DIR, int (*)(DIR*)> dir(fdopendir(fd.get()), closedir);
    if (!dir) return false;
    const int dir_fd = fd.release();
    while (const dirent* entry = readdir(dir.get())) {
      const absl::string_view name = entry->d_name;
      if (name == "." || name == "..") continue;
      if (!Take(dir_fd, entry->d_name, depth)) return false;
    }
    return true;
  }

  int64_t bytes() const { return bytes_; }

 private:
  bool Take(int dir, const char* name, int depth) {
    struct stat st{};
    if (--left_ < 0) return false;
    // It may be gone meanwhile.
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) return true;
    const bool seen =
        st.st_nlink > 1 && !S_ISDIR(st.st_mode) && !seen_.insert(st.st_ino).second;
    if (!seen) bytes_ += int64_t{st.st_blocks} * kBlock;
    if (!S_ISDIR(st.st_mode)) return true;
    return Walk(UniqueFd(openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)),
                depth + 1);
  }

  int left_;
  int64_t bytes_ = 0;
  std::set<ino_t> seen_;
};

}  // namespace

int64_t CountBytes(const std::string& dir, int most) {
  Counter counter(most);
  UniqueFd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  return counter.Walk(std::move(fd), 0) ? counter.bytes() : -1;
}

}  // namespace vx::volume
