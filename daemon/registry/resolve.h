// Finds the manifest that a reference means, for one platform.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "daemon/image/oci_layout.h"
#include "daemon/registry/client.h"
#include "daemon/registry/reference.h"

namespace vx::registry {

// A manifest and its config, as the registry sent them, verified.
struct Resolved {
  image::Content content;
  std::string manifest;
  std::string config;
};

// `platform` is "linux/amd64" or "linux/arm/v7"; empty: the host's. NOT_FOUND
// (MANIFEST_UNKNOWN, NO_PLATFORM: it lists those there are), DATA_LOSS
// (DIGEST_MISMATCH), RESOURCE_EXHAUSTED (MANIFEST_TOO_BIG), INVALID_ARGUMENT
// (BAD_ARCHIVE), and those of Client::Call.
absl::StatusOr<Resolved> Resolve(Client& client, const Reference& reference,
                                 const std::string& platform);

}  // namespace vx::registry
