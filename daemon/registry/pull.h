// Fetches images into the store.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/cancellation.h"
#include "daemon/image/image_store.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/options.h"
#include "daemon/registry/progress.h"
#include "daemon/registry/reference.h"

namespace vx::registry {

struct PullRequest {
  Reference reference;
  // "linux/amd64"; empty: the host's.
  std::string platform;
  // For the registry; a mirror does not get them.
  Credentials credentials;
  // Marks the name that it gives (see ImageStore::Import).
  std::string change;
};

// Fetches, verifies and unpacks the image, and gives it its name; asks the registry's
// mirror first, where there is one. Blocks. Nothing of it is visible before the end;
// what came before an error is used by the next pull. The errors are those of
// image_service.proto.
absl::StatusOr<v1::Image> Pull(image::ImageStore& store, const PullRequest& request,
                               const Options& options, Cancellation& cancellation,
                               Progress& progress);

}  // namespace vx::registry
