// What a user calls an image, taken apart: where it is, and which one it is.
//
//   alpine                    docker.io, library/alpine, latest
//   team/app:1                docker.io, team/app, 1
//   localhost:5000/app@sha256:…   localhost:5000, app, that digest
//
// What stands before the first slash is a registry when it has a dot or a port or
// is "localhost".
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace vx::registry {

inline constexpr char kDockerHub[] = "docker.io";

struct Reference {
  std::string registry;    // "docker.io", "localhost:5000"
  std::string repository;  // "library/alpine"
  std::string tag;         // empty where there is a digest
  std::string digest;      // "sha256:…", or empty
  std::string name;        // what the image is called here: "alpine:latest"

  // What stands in the URL of its manifest.
  const std::string& version() const { return digest.empty() ? tag : digest; }
  // "docker.io/library/alpine:latest", for people.
  std::string ToString() const;
};

// INVALID_ARGUMENT (BAD_IMAGE_NAME).
absl::StatusOr<Reference> ParseReference(const std::string& text);

}  // namespace vx::registry
