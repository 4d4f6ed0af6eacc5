// A folder in the form of an OCI image layout (image-spec 1.1, image-layout.md):
// oci-layout, index.json, blobs/sha256/….
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/image/oci_json.h"
#include "vx/v1/image.pb.h"

namespace vx::image {

// The content of the file oci-layout.
inline constexpr char kLayoutMarker[] = R"({"imageLayoutVersion":"1.0.0"})";

// One image as its documents describe it.
struct Content {
  Descriptor descriptor;  // of the manifest
  Manifest manifest;
  Config config;

  // Digests of all its blobs, the manifest's first.
  std::vector<std::string> Blobs() const;
  // Without a name.
  v1::Image ToImage() const;
};

// An image of its two documents, whose digests are verified; they must fit each other.
absl::StatusOr<Content> Assemble(const Descriptor& descriptor, const std::string& manifest,
                                 const std::string& config);

// Thread-safe as far as files are: callers order the writes.
class OciLayout {
 public:
  explicit OciLayout(std::string dir) : dir_(std::move(dir)) {}

  // Makes what is missing.
  absl::Status Create() const;

  const std::string& dir() const { return dir_; }
  std::string BlobDir() const { return dir_ + "/blobs/sha256"; }
  // `digest` must be one.
  std::string BlobPath(absl::string_view digest) const;

  absl::StatusOr<std::vector<Descriptor>> ReadIndex() const;
  // At once and durably.
  absl::Status WriteIndex(const std::vector<Descriptor>& manifests) const;

  // A document: of at most kMaxDocument, and of the descriptor's size and digest.
  // `what` names it in errors ("the manifest").
  absl::StatusOr<std::string> ReadDocument(const Descriptor& descriptor,
                                           absl::string_view what) const;

  // Reads manifest and config, and checks that they fit each other and that each
  // layer's blob is there in its size.
  absl::StatusOr<Content> Load(const Descriptor& descriptor) const;

 private:
  absl::Status CheckBlob(const Descriptor& descriptor) const;

  std::string dir_;
};

}  // namespace vx::image
