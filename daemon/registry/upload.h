// Sends one blob.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/image/oci_json.h"
#include "daemon/registry/client.h"

namespace vx::registry {

// Sends the blob in the file `path` where the repository has it not yet; false when
// nothing was to be sent. `from` is a repository of the same registry that may have it;
// empty: none. Small ones go in one request, large ones in chunks, of which what has
// arrived before a connection was lost is not sent again.
absl::StatusOr<bool> UploadBlob(Client& client, const std::string& repository,
                                const image::Descriptor& blob, const std::string& path,
                                const std::string& from,
                                const std::function<void(int64_t)>& on_bytes);

}  // namespace vx::registry
