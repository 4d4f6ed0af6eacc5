// Writes one image as an oci-archive: the tar of an OCI image layout that holds
// nothing else. The same image makes the same bytes. It is an archive of Docker's too:
// manifest.json tells `docker load` what is where.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "daemon/image/archive.h"
#include "daemon/image/oci_layout.h"

namespace vx::image {

// `name` is what its index calls it; `layout` has the blobs.
absl::Status WriteOciArchive(const Content& content, const std::string& name,
                             const OciLayout& layout, TarWriter::Sink sink);

}  // namespace vx::image
