// Whole-file helpers. All paths are taken as given; descriptors are close-on-exec.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx {

// NOT_FOUND when it is not there. Works for /proc and cgroup files.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// Writes in place with one write(2), as cgroup and proc files want it. The file
// must exist.
absl::Status WriteToFile(const std::string& path, absl::string_view content);

// Writes all of it; an error says that it came while `doing`.
absl::Status WriteAll(int fd, absl::string_view content, const std::string& doing);

enum class Durability { kVolatile, kDurable };

// Replaces `path` at once: a reader sees the old content or the new. kDurable
// also fsyncs the file and its folder.
absl::Status WriteFileAtomic(const std::string& path, absl::string_view content, mode_t mode,
                             Durability durability = Durability::kVolatile);

// Removes what a WriteFileAtomic that was killed left in `dir`. Nobody else may be
// writing there.
void RemoveTemporaries(const std::string& dir);

// Makes the folder and its missing parents; what is there already is left as it
// is, mode and all.
absl::Status MakeDirs(const std::string& path, mode_t mode);

// Removes a tree, however deep, without following links; fine when nothing is
// there. FAILED_PRECONDITION (MOUNT_IN_THE_WAY) at a folder where something is
// mounted: nothing below it is touched.
absl::Status RemoveTree(const std::string& path);

// The folder of an absolute path, without reading anything.
std::string ParentOf(const std::string& path);

// Names in a folder without "." and "..", sorted. NOT_FOUND when it is not there.
absl::StatusOr<std::vector<std::string>> ListDir(const std::string& path);

bool PathExists(const std::string& path);

absl::StatusOr<UniqueFd> OpenFile(const std::string& path, int flags, mode_t mode = 0);

// fsync of a folder, after renames in it.
absl::Status SyncDir(const std::string& path);

// The folder of the running executable.
std::string ExecutableDir();

}  // namespace vx
