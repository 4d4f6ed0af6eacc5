// A folder that stands for "/": no path that is looked up in it leads out,
// whatever links are in the way.
#pragma once

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx::image {

// "a/b/" or "/a/./b" as "a/b", "/" as "". INVALID_ARGUMENT (BAD_ARCHIVE) for ".."
// and for what no file can be called.
absl::StatusOr<std::string> CleanPath(absl::string_view path);

// Not thread-safe. Paths are clean ones.
class RootDir {
 public:
  static absl::StatusOr<RootDir> Open(const std::string& dir);

  // A descriptor (O_PATH) for the folder, borrowed until the next call. Folders
  // that are missing are made with mode 0755, also those that a link names.
  absl::StatusOr<int> MakeFolder(const std::string& path);

  // Without making anything: NOT_FOUND. Borrowed descriptors stay.
  absl::StatusOr<UniqueFd> OpenFolder(const std::string& path) const;

  // To be called when something that may have been a folder, or a link to one,
  // was replaced. Borrowed descriptors stay until the next call of MakeFolder.
  void Forget() { stale_ = true; }

 private:
  explicit RootDir(UniqueFd root) : root_(std::move(root)) {}

  absl::StatusOr<int> FindFolder(const std::string& path);
  absl::StatusOr<int> MakeFolder(const std::string& path, int links);
  absl::Status FollowDangling(int parent, const std::string& path, int links);
  int Remember(const std::string& path, UniqueFd fd);

  UniqueFd root_;
  bool stale_ = false;
  absl::flat_hash_map<std::string, UniqueFd> folders_;
};

// "a/b/c" as {"a/b", "c"}.
struct SplitPath {
  std::string folder;
  std::string leaf;
};
SplitPath Split(const std::string& path);

}  // namespace vx::image
