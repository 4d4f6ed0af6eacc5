// Makes a folder of one layer's tar (image-spec 1.1, layer.md), in the form that
// overlayfs takes as a lower layer.
//
//   .wh.NAME       a whiteout: the character device 0:0 called NAME
//   .wh..wh..opq   the folder gets trusted.overlay.opaque and
//                  user.overlay.opaque: an overlay takes the one or the other,
//                  as it was mounted in a user namespace or not
//   devices        not made: containers get a /dev of their own, guests devtmpfs
//   xattrs         user.* and security.capability; never an overlay's own
//
// Entries come from strangers. A name is taken from the layer's root, whether it
// is absolute or not; ".." in a name, and a hard link to what the layer doesn't
// hold, are INVALID_ARGUMENT (BAD_ARCHIVE). Links in a name's path are followed as
// if the folder were "/", by the kernel (RESOLVE_IN_ROOT), so nothing leads out.
//
// Owners are those of the tar when the caller is root, else the caller's.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "daemon/image/byte_source.h"

namespace vx::image {

// `tar` is uncompressed; `dir` exists and is empty. What was made before an error
// stays: the caller removes it. RESOURCE_EXHAUSTED when `files` does not suffice;
// files cost their apparent size and some more.
absl::Status UnpackLayer(ByteSource& tar, const std::string& dir, Budget& files);

}  // namespace vx::image
