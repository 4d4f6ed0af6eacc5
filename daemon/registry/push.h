// Sends images to registries.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "daemon/base/cancellation.h"
#include "daemon/image/image_store.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/options.h"
#include "daemon/registry/progress.h"
#include "daemon/registry/reference.h"

namespace vx::registry {

struct PushRequest {
  std::string name;     // of the image here
  Reference reference;  // where to; has a tag
  Credentials credentials;
};

// Sends what the registry has not yet, layers side by side, then the manifest under its
// tag. A blob that another repository of that registry has, as far as the images here
// tell, is mounted from there. Blocks. The errors are those of image_service.proto.
absl::Status Push(image::ImageStore& store, const PushRequest& request, const Options& options,
                  Cancellation& cancellation, Progress& progress);

}  // namespace vx::registry
