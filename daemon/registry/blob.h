// Fetches blobs into files, going on where an earlier attempt ended.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "daemon/image/oci_json.h"
#include "daemon/registry/client.h"

namespace vx::registry {

// Brings `path` to the whole of the blob: what is in the file already is kept where
// its digest proves right in the end. On success the file has the blob's size and
// digest. After an error the file has what came, for the next attempt; after
// DIGEST_MISMATCH it is gone. `on_bytes` is told how many bytes are there.
absl::Status FetchBlob(Client& client, const std::string& repository,
                       const image::Descriptor& blob, const std::string& path,
                       const std::function<void(int64_t)>& on_bytes);

}  // namespace vx::registry
