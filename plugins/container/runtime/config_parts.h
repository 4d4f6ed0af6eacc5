// The parts of config.json, one parser each; see config.h.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/json_fields.h"

namespace vx::container {

absl::Status ParseProcess(const Json& json, ProcessConfig& process);
absl::Status ParseMounts(const Json& root, std::vector<MountConfig>& mounts);
absl::Status ParseLinux(const Json& json, Config& config);
// "linux.resources".
absl::Status ParseResources(const Json& json, CgroupLimits& limits);

}  // namespace vx::container
