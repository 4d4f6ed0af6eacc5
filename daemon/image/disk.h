// Makes one ext4 filesystem of an image's unpacked layers.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace vx::image {

// Fills the empty folder `out` with what an overlay of `layers` (bottom first)
// would show. Files are hard links to the layers': both must be on one filesystem,
// and nothing may be written through them.
absl::Status MergeLayers(const std::vector<std::string>& layers, const std::string& out);

// Makes `image`, a raw ext4 filesystem with the content of `dir` and at least
// kDiskRoom to spare. The file is sparse. NOT_FOUND when mke2fs isn't installed.
absl::Status MakeDisk(const std::string& dir, const std::string& image);

// Room for what a guest writes; it costs nothing before it is used.
inline constexpr int64_t kDiskRoom = int64_t{1} << 30;

}  // namespace vx::image
