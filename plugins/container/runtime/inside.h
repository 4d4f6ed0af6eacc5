// Paths of an image, followed inside of its root alone.
//
// Whatever links an image holds, and however a process of another container that
// shares a volume swaps them meanwhile: nothing here leaves the folder `root`, and no
// magic link of /proc is followed, which would lead to what the runtime has open.
// What is opened is then used by its descriptor, never by its path again.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::container {

// NOT_FOUND where there is nothing. `flags` as open(2)'s; close-on-exec always.
absl::StatusOr<UniqueFd> OpenInside(int root, const std::string& path, int flags);

// O_PATH of a place to mount onto, made where it is missing, with the folders above
// it: a folder, or an empty file. Links to what is missing are followed as well.
absl::StatusOr<UniqueFd> MakePlaceInside(int root, const std::string& path, bool is_dir);

}  // namespace vx::container
