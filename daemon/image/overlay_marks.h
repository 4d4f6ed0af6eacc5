// How overlayfs marks what a layer hides of those below it.
#pragma once

#include <sys/stat.h>

#include "absl/status/status.h"

namespace vx::image {

// A whiteout hides one name: a character device 0:0.
bool IsWhiteout(const struct stat& st);

// An opaque folder hides all that its namesakes below hold. Set under both of the
// names that overlayfs has for it; it suffices when the filesystem and the caller's
// rights allow one of them. `fd` may be O_PATH.
absl::Status SetOpaque(int fd);
bool IsOpaque(int fd);

}  // namespace vx::image
