// A user's credentials for registries, in the files that container tools share.
//
// Written is $XDG_CONFIG_HOME/vx/auth.json (~/.config/vx/auth.json), mode 0600. Read
// are that, then $REGISTRY_AUTH_FILE, $XDG_RUNTIME_DIR/containers/auth.json,
// ~/.config/containers/auth.json and ~/.docker/config.json; the first that knows the
// registry counts. Passwords in a credential helper's keeping are not read.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vx/v1/image_service.pb.h"

namespace vx::client {

// "docker.io" for "alpine", "localhost:5000" for "localhost:5000/app:1".
std::string RegistryOf(const std::string& reference);

// For a reference or a registry; empty when no file has any. A file that can't be read is as one that is not
// there, but for our own: BAD_AUTH_FILE.
absl::StatusOr<v1::RegistryAuth> FindCredentials(const std::string& reference);

// Into our own file, in place of what it has for that registry.
absl::Status SaveCredentials(const std::string& registry, const v1::RegistryAuth& auth);

// From our own file; false when it has none.
absl::StatusOr<bool> RemoveCredentials(const std::string& registry);

// Where our own file is.
std::string CredentialsFile();

}  // namespace vx::client
