// The host's images: an OCI image layout on disk (image-spec 1.1,
// image-layout.md), and the immutable bases that workloads are made from.
//
//   DIR/layout/          oci-layout, index.json, blobs/sha256/…; what any OCI tool reads
//   DIR/layers/DIFFID/   one unpacked layer each, shared by all containers
//   DIR/disks/DIGEST.ext4  one filesystem per image, shared by all VMs
//   DIR/leases/OWNER     the digest of the manifest that OWNER's workload uses
//   DIR/tmp/             work in progress; emptied at Open
//
// A thing becomes visible by a rename after an fsync. Names are normalised:
// "busybox" is "busybox:latest". Thread-safe; two calls that make the same layer
// or disk make it once.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "vx/v1/image.pb.h"

namespace vx::image {

// Bounds on what an image may cost; a violation is RESOURCE_EXHAUSTED
// (IMAGE_TOO_LARGE) and names the bound's key in vxd.toml.
struct Limits {
  int64_t max_layer_bytes = int64_t{10} << 30;     // images.max_layer_bytes, compressed
  int64_t max_unpacked_bytes = int64_t{40} << 30;  // images.max_unpacked_bytes, of one image
};

// An image on disk, leased.
struct Base {
  std::string digest;               // of the manifest
  std::vector<std::string> layers;  // folders, bottom first; empty for a disk
  std::string disk;                 // raw ext4; empty for layers
  v1::ImageConfig config;
};

enum class Form { kLayers, kDisk };

class ImageStore {
 public:
  // Makes what is missing in `dir` and removes leftovers of a crash.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(const std::string& dir,
                                                          const Limits& limits);
  ~ImageStore();

  const std::string& dir() const;

  // By name.
  std::vector<v1::Image> List() const;
  // NOT_FOUND (IMAGE_NOT_FOUND); the hint lists what there is.
  absl::StatusOr<v1::Image> Get(const std::string& name) const;

  // Takes a tar of an OCI image layout (plain, gzip or zstd). `name` empty: the
  // archive's own. Every digest is verified; nothing is visible before the end.
  // INVALID_ARGUMENT (BAD_ARCHIVE, NO_NAME, SEVERAL_IMAGES, NO_PLATFORM) says what
  // is wrong with it. An image of that name is replaced.
  absl::StatusOr<v1::Image> Import(const std::string& tar_path, const std::string& name);

  // Hands the oci-archive to `sink` piece by piece (at most 256 KiB each); ends
  // with the sink's first error.
  absl::Status Export(const std::string& name,
                      const std::function<absl::Status(absl::string_view)>& sink) const;

  // Removes the name, and blobs, layers and disks that nothing else uses.
  // FAILED_PRECONDITION (IMAGE_IN_USE) while a lease is on it; the message names
  // the owners.
  absl::Status Remove(const std::string& name);

  // Makes the base where it is not there yet and leases it to `owner` (a
  // workload's uid). The same owner may ask again.
  absl::StatusOr<Base> Acquire(const std::string& name, Form form, const std::string& owner);
  // Ends the lease; fine when there is none.
  absl::Status Release(const std::string& owner);
  // Owners of leases, for the sweep.
  std::vector<std::string> LeaseOwners() const;

 private:
  struct State;
  explicit ImageStore(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// "busybox" -> "busybox:latest". INVALID_ARGUMENT (BAD_IMAGE_NAME) for what is no
// name.
absl::StatusOr<std::string> NormalizeName(const std::string& name);

}  // namespace vx::image
