// What images become on disk: layer folders and ext4 filesystems, each made once
// and visible only when it is whole.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/base/cancellation.h"
#include "daemon/image/byte_source.h"
#include "daemon/image/image_store.h"
#include "daemon/image/oci_layout.h"
#include "daemon/image/once.h"

namespace vx::image {

// Removes what is no part of the store any more, however deep; what can't be
// removed is logged, and tried again by the next ImageStore::Open.
void Discard(const std::string& path);

// Thread-safe; calls may block for as long as the making takes.
class Bases {
 public:
  // DIR as in image_store.h.
  Bases(std::string dir, const Limits& limits) : dir_(std::move(dir)), limits_(limits) {}

  // Digests must be ones.
  std::string LayerPath(absl::string_view diff_id) const;
  std::string DiskPath(absl::string_view digest) const;
  std::vector<std::string> LayerPaths(const Content& content) const;

  // A path under tmp/ that nothing else uses.
  std::string TemporaryPath(absl::string_view what) const;

  // Makes the layers that are missing from the blobs in `layout`. Checks each
  // diff_id: BAD_ARCHIVE when a blob is not what it says.
  absl::Status MakeLayers(const Content& content, const OciLayout& layout);
  // Reads the blobs of layers that are there already too, and checks them.
  absl::Status VerifyAndMakeLayers(const Content& content, const OciLayout& layout);
  // What is left of the bounds while one image's layers are read.
  struct Costs {
    explicit Costs(const Limits& limits)
        : stream(limits.max_unpacked_bytes, "images.max_unpacked_bytes"),
          files(limits.max_unpacked_bytes, "images.max_unpacked_bytes") {}
    Budget stream;
    Budget files;
    // May be null.
    Cancellation* cancellation = nullptr;
  };
  // Makes one layer of a blob, of which `paths` are the places where it may be: it may be
  // moved from one to the next meanwhile. Reads and checks the blob even where the layer
  // is there, unless it is `trusted` to be what it says. Several threads may share `costs`.
  absl::Status MakeLayer(const std::vector<std::string>& paths, const std::string& diff_id,
                         bool trusted, Costs& costs);
  // Makes the layers and the disk where they are missing.
  absl::Status MakeDisk(const Content& content, const OciLayout& layout);

 private:
  struct LayerJob {
    std::vector<std::string> blob;  // its places
    std::string diff_id;
  };

  std::vector<LayerJob> Jobs(const Content& content, const OciLayout& layout) const;
  // `built` tells whether it was made here, and so whether the blob was read.
  absl::Status EnsureLayer(const LayerJob& job, Costs& costs, bool& built);
  absl::Status CheckBlob(const LayerJob& job, Costs& costs) const;
  absl::Status UnpackInto(const LayerJob& job, const std::string& folder, Costs& costs) const;
  absl::Status BuildLayer(const LayerJob& job, Costs& costs) const;
  absl::Status BuildDisk(const Content& content) const;

  const std::string dir_;
  const Limits limits_;
  Once once_;
};

}  // namespace vx::image
