// What a daemon left on the host.
#pragma once

#include <string>
#include <vector>

namespace vx::system_test {

// Processes and mounts that name `dir`, cgroups, claimed ids and (in this network
// namespace) links that name `instance_id`; one sentence each. Waits a little for
// processes that are on their way out.
std::vector<std::string> FindLeftovers(const std::string& dir, const std::string& instance_id);

}  // namespace vx::system_test
