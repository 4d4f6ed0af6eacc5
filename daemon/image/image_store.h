// The host's images: an OCI image layout on disk (image-spec 1.1,
// image-layout.md), and the immutable bases that workloads are made from.
//
//   DIR/layout/          oci-layout, index.json, blobs/sha256/…; what any OCI tool reads
//   DIR/layers/DIFFID/   one unpacked layer each, shared by all containers
//   DIR/disks/DIGEST.ext4  one filesystem per image, shared by all VMs
//   DIR/leases/OWNER     the digest of the manifest that OWNER's workload uses
//   DIR/builtin/         which built-in images were imported (see builtin.h)
//   DIR/downloads/       blobs of images on their way in (see intake.h)
//   DIR/tmp/             work in progress; emptied at Open
//
// layout/, layers/ and leases/ are for the daemon's user only (0700): layers hold
// setuid programs. disks/ is 0711 and a disk 0444, so that an emulator of another
// user, which is told the path, can open it.
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
#include "daemon/base/cancellation.h"
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

class Intake;
class OciLayout;
struct Content;

class ImageStore {
 public:
  // Makes what is missing in `dir` and removes leftovers of a crash.
  static absl::StatusOr<std::unique_ptr<ImageStore>> Open(const std::string& dir,
                                                          const Limits& limits);
  ~ImageStore();

  const std::string& dir() const;

  // By name.
  std::vector<v1::Image> List() const;
  // With its history, and which images share its layers. NOT_FOUND (IMAGE_NOT_FOUND); the
  // hint lists what there is.
  absl::StatusOr<v1::Image> Get(const std::string& name) const;

  // Takes a tar of an OCI image layout (plain, gzip or zstd), with OCI's or Docker's
  // media types. `name` empty: the archive's own. Every digest, size and diff_id is
  // verified, and the layers are unpacked on the way; nothing is visible before the
  // end. INVALID_ARGUMENT (BAD_ARCHIVE, NO_NAME, SEVERAL_IMAGES, NO_PLATFORM) says
  // what is wrong with it. An image of that name is replaced; who uses the old one
  // keeps it.
  // `change` marks the name that it gives, on disk too.
  absl::StatusOr<v1::Image> Import(const std::string& tar_path, const std::string& name,
                                   const std::string& change = "");
  // Whether the import marked so has been done, and its name still is its.
  bool Imported(const std::string& change) const;

  // For an image that comes blob by blob; the store outlives it, `cancellation` too.
  std::unique_ptr<Intake> BeginIntake(Cancellation& cancellation);

  // Hands the oci-archive to `sink` piece by piece (at most 256 KiB each); ends
  // with the sink's first error.
  absl::Status Export(const std::string& name,
                      const std::function<absl::Status(absl::string_view)>& sink) const;

  // Calls `use` with the image and the layout that has its blobs, which stay meanwhile.
  absl::Status Read(const std::string& name,
                    const std::function<absl::Status(const Content&, const OciLayout&)>& use) const;

  // Gives the image one more name, taking it from another that has it; `change` as in
  // Import.
  absl::Status Tag(const std::string& name, const std::string& new_name,
                   const std::string& change);

  // Removes what no image needs: partial downloads, blobs, layers, disks; what is not to be
  // removed now, since an image is on its way in, is later. The bytes that were freed.
  int64_t Prune();

  // Removes the name, and blobs, layers and disks that nothing else uses.
  // FAILED_PRECONDITION (IMAGE_IN_USE) while a lease is on it; the message names
  // the owners.
  absl::Status Remove(const std::string& name);

  // Makes the base where it is not there yet and leases it to `owner` (a
  // workload's uid, which must be a plain file name). An owner that holds a lease
  // gets what it holds, whatever image `name` is now: Release comes before a
  // change. Takes microseconds when the base is there. A failure leaves no new
  // lease. FAILED_PRECONDITION (MKE2FS_MISSING) for kDisk without e2fsprogs.
  absl::StatusOr<Base> Acquire(const std::string& name, Form form, const std::string& owner);
  // Ends the lease; fine when there is none. Removes the image's files when it has
  // no name any more and this was its last user.
  absl::Status Release(const std::string& owner);
  // Owners of leases, for the sweep.
  std::vector<std::string> LeaseOwners() const;

 private:
  friend class Intake;
  struct State;
  explicit ImageStore(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

// "busybox" -> "busybox:latest", "docker.io/library/busybox" too; with a digest the
// tag is dropped: "app:1@sha256:…" -> "app@sha256:…". INVALID_ARGUMENT (BAD_IMAGE_NAME) for what is no
// name.
absl::StatusOr<std::string> NormalizeName(const std::string& name);

}  // namespace vx::image
