// The JSON documents of an OCI image (image-spec 1.1: descriptor.md, index.md,
// manifest.md, config.md) and their Docker schema-2 ancestors.
//
// They come from strangers: everything is checked on the way in, and what is
// wrong is INVALID_ARGUMENT (BAD_ARCHIVE). Unknown fields are skipped.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vx/v1/image.pb.h"

namespace vx::image {

inline constexpr char kOciIndex[] = "application/vnd.oci.image.index.v1+json";
inline constexpr char kOciManifest[] = "application/vnd.oci.image.manifest.v1+json";
inline constexpr char kOciConfig[] = "application/vnd.oci.image.config.v1+json";
inline constexpr char kOciLayer[] = "application/vnd.oci.image.layer.v1.tar";

// The annotation that names an image in an index.
// Ours, in index.json: which change gave the image its name.
inline constexpr char kChange[] = "org.vx.change";
inline constexpr char kRefName[] = "org.opencontainers.image.ref.name";
// The same by containerd and Docker, with the full name.
inline constexpr char kContainerdName[] = "io.containerd.image.name";

// No document is larger.
inline constexpr int64_t kMaxDocument = 4 << 20;

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;

  bool known() const { return !os.empty() && !architecture.empty(); }
  // "linux/arm64/v8".
  std::string ToString() const;
};

// "linux" on this machine's architecture, in Go's words.
Platform HostPlatform();

// A reference to a blob.
struct Descriptor {
  std::string media_type;
  std::string digest;
  int64_t size = 0;
  std::map<std::string, std::string> annotations;
  // Not known for most.
  Platform platform;

  bool IsIndex() const;
  bool IsManifest() const;
  // Empty when it has none.
  std::string Name() const;
};

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;  // bottom first
};

struct Config {
  Platform platform;
  std::string created;  // RFC 3339, unchecked
  v1::ImageConfig config;
  std::vector<std::string> diff_ids;
  std::vector<v1::ImageHistory> history;  // read only
};

// `what` names the document in errors ("index.json").
absl::StatusOr<std::vector<Descriptor>> ParseIndex(const std::string& text, absl::string_view what);
absl::StatusOr<Manifest> ParseManifest(const std::string& text, absl::string_view what);
absl::StatusOr<Config> ParseConfig(const std::string& text, absl::string_view what);

std::string IndexJson(const std::vector<Descriptor>& manifests);
std::string ManifestJson(const Manifest& manifest);
std::string ConfigJson(const Config& config);

}  // namespace vx::image
