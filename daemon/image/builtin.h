// The images that come with vx: share/vx/images/NAME.tar, each an oci-archive.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "daemon/image/image_store.h"

namespace vx::image {

// Imports each archive of `images_dir` as NAME, unless it was imported before: one
// that a user removed stays away, and one that a user imported under that name
// stays as it is. A newer archive replaces the older one's image. Fine when the
// folder isn't there. Which archives were taken is kept in DIR/builtin/ of the
// store. Goes on after a failure; returns the first.
absl::Status ImportBuiltins(ImageStore& store, const std::string& images_dir);

}  // namespace vx::image
