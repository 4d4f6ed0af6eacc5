// The parts of config.json, one parser each; see config.h.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "plugins/container/runtime/config.h"
#include "plugins/container/runtime/json_fields.h"

namespace vx::container {

absl::Status ParseProcess(const Json& json, ProcessConfig& process);
// A list of mappings, `where`.`key`.
absl::Status ParseMappings(const Json& json, const char* key, const std::string& where,
                           std::vector<IdMapping>& mappings);
absl::Status ParseMounts(const Json& root, std::vector<MountConfig>& mounts);
absl::Status ParseLinux(const Json& json, Config& config);
// "linux.resources".
absl::Status ParseResources(const Json& json, cgroup::CgroupLimits& limits);
// Whether a process in namespaces of its own (CLONE_NEW*) may set it without the host
// seeing it; else says what is missing.
absl::Status CheckSysctl(const std::string& key, int own_namespaces);

}  // namespace vx::container
