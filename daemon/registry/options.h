// How vxd deals with registries: [images] of vxd.toml.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "absl/time/time.h"

namespace vx::registry {

struct Options {
  // "HOST[:PORT]" that may be spoken to without TLS, or with a certificate that
  // nothing vouches for.
  std::set<std::string> insecure;
  // Whom to ask before a registry: "docker.io" -> "mirror.example:5000".
  std::map<std::string, std::string> mirrors;
  // PEM of authorities besides the system's; may be empty.
  std::string ca_file;
  int64_t max_layer_bytes = int64_t{10} << 30;
  // Blobs of one transfer that are under way at once.
  int parallel = 4;
  // A request that fails is tried so often in all, with pauses that double.
  int attempts = 4;
  absl::Duration pause = absl::Milliseconds(250);
  // A registry that asks for more patience than this is an error.
  absl::Duration patience = absl::Seconds(60);
  // A connection on which nothing moves for so long is lost.
  absl::Duration stall = absl::Seconds(30);
};

}  // namespace vx::registry
