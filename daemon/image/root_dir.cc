#include "daemon/image/root_dir.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/image/archive.h"

namespace vx::image {
namespace {

// Descriptors kept open at once.
constexpr size_t kMaxFolders = 256;
constexpr int kMaxLinks = 40;
constexpr mode_t kFolderMode = 0755;
// Trees are walked with a descriptor a level.
constexpr size_t kMaxDepth = 256;

}  // namespace

absl::StatusOr<std::string> CleanPath(absl::string_view path) {
  std::vector<absl::string_view> parts;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == ".") continue;
    if (part == "..") {
      return BadArchive(absl::StrCat("the layer's entry \"", path, "\" has \"..\" in its name"));
    }
    if (part.size() > NAME_MAX) {
      return BadArchive(absl::StrCat("a name in the layer is too long: ", part.substr(0, 32), "…"));
    }
    parts.push_back(part);
  }
  std::string clean = absl::StrJoin(parts, "/");
  if (clean.size() >= PATH_MAX || parts.size() > kMaxDepth) {
    return BadArchive(absl::StrCat("a path in the layer is too long: ", clean.substr(0, 64), "…"));
  }
  return clean;
}

SplitPath Split(const std::string& path) {
  size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

absl::StatusOr<RootDir> RootDir::Open(const std::string& dir) {
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFile(dir, O_PATH | O_DIRECTORY));
  return RootDir(std::move(fd));
}

absl::StatusOr<UniqueFd> RootDir::OpenFolder(const std::string& path) const {
  open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const char* name = path.empty() ? "." : path.c_str();
  UniqueFd fd(syscall(SYS_openat2, root_.get(), name, &how, sizeof how));
  if (!fd.valid()) return ErrnoError(errno, absl::StrCat("open \"", path, "\" in the layer"));
  return fd;
}

int RootDir::Remember(const std::string& path, UniqueFd fd) {
  if (folders_.size() >= kMaxFolders) folders_.clear();
  return (folders_[path] = std::move(fd)).get();
}

absl::StatusOr<int> RootDir::FindFolder(const std::string& path) {
  auto known = folders_.find(path);
  if (known != folders_.end()) return known->second.get();
  VX_ASSIGN_OR_RETURN(UniqueFd fd, OpenFolder(path));
  return Remember(path, std::move(fd));
}

absl::StatusOr<int> RootDir::MakeFolder(const std::string& path) {
  if (std::exchange(stale_, false)) folders_.clear();
  return MakeFolder(path, 0);
}

absl::StatusOr<int> RootDir::MakeFolder(const std::string& path, int links) {
  absl::StatusOr<int> found = FindFolder(path);
  if (found.ok() || !absl::IsNotFound(found.status()) || path.empty()) return found;
  if (links > kMaxLinks) {
    return BadArchive(absl::StrCat("the layer's path \"", path, "\" has too many links"));
  }
  auto [folder, leaf] = Split(path);
  VX_ASSIGN_OR_RETURN(int parent, MakeFolder(folder, links));
  if (mkdirat(parent, leaf.c_str(), kFolderMode) == 0) {
    fchmodat(parent, leaf.c_str(), kFolderMode, 0);  // whatever the umask
  } else if (errno == EEXIST) {
    VX_RETURN_IF_ERROR(FollowDangling(parent, path, links));
  } else {
    return ErrnoError(errno, absl::StrCat("mkdir \"", path, "\" in the layer"));
  }
  return FindFolder(path);
}

// `path` is a link to what is not there: makes that a folder.
absl::Status RootDir::FollowDangling(int parent, const std::string& path, int links) {
  auto [folder, leaf] = Split(path);
  char target[PATH_MAX];
  ssize_t size = readlinkat(parent, leaf.c_str(), target, sizeof target);
  if (size < 0) return BadArchive(absl::StrCat("the layer's path \"", path, "\" leads nowhere"));
  absl::string_view text(target, size);
  bool absolute = !text.empty() && text.front() == '/';
  std::string full = absolute ? std::string(text) : absl::StrCat(folder, "/", text);
  VX_ASSIGN_OR_RETURN(std::string clean, CleanPath(full));
  return MakeFolder(clean, links + 1).status();
}

}  // namespace vx::image
