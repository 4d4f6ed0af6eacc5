// What the runtime remembers of a container, in ROOT/ID/state.json, and what OCI's
// `state` says of it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::container {

struct ContainerState {
  std::string id;
  std::string bundle;
  std::string cgroups_path;
  pid_t pid = 0;
  // With the pid it identifies init for good (proc(5), stat).
  uint64_t start_ticks = 0;
  std::map<std::string, std::string> annotations;
};

// The folder of a container. INVALID_ARGUMENT (BAD_ID) for an id that is no plain
// file name.
absl::StatusOr<std::string> StateDir(const std::string& root, const std::string& id);

// NOT_FOUND (NO_CONTAINER).
absl::StatusOr<ContainerState> ReadState(const std::string& dir, const std::string& id);
absl::Status WriteState(const std::string& dir, const ContainerState& state);

// "created", "running" or "stopped".
std::string StatusOf(const std::string& dir, const ContainerState& state);

// As `state` prints it.
std::string ToOciState(const std::string& dir, const ContainerState& state);

}  // namespace vx::container
