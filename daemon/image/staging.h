// Takes an archive apart into a folder of its own, and finds the image in it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/image/image_store.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {

struct Staged {
  std::string name;  // normalised
  Content content;
};

// Unpacks the oci-archive `tar_path` into `layout`, whose folder exists and is
// empty, and chooses the image called `name`, or the only one when `name` is
// empty. All blobs have the content that their digests say; diff_ids are not
// checked yet. Errors as in ImageStore::Import. What was written before an error
// stays.
absl::StatusOr<Staged> StageArchive(const std::string& tar_path, const std::string& name,
                                    const OciLayout& layout, const Limits& limits);

}  // namespace vx::image
