// Limits and leftovers in the host's cgroups, of either version.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace vx::contract {

// Content of a limit of the process's cgroup, without its newline: `v1_file` of
// the v1 hierarchy `controller`, or `v2_file`. Nothing when neither is there.
std::optional<std::string> CgroupValue(int pid, const std::string& controller,
                                       const std::string& v1_file, const std::string& v2_file);

// Writes to that file. False when it is not there, or the kernel refuses.
bool SetCgroupValue(int pid, const std::string& controller, const std::string& v1_file,
                    const std::string& v2_file, const std::string& value);

// Folders in any hierarchy whose name holds `part`, parents first.
std::vector<std::string> CgroupsNamed(const std::string& part);

// Kills what runs in those folders and below, and removes them.
void RemoveCgroupsNamed(const std::string& part);

}  // namespace vx::contract
