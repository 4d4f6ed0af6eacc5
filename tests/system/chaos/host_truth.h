// Whether what vxd says of its workloads is what is on the host.
#pragma once

#include <string>
#include <vector>

#include "tests/system/harness/daemon.h"

namespace vx::system_test {

// What is not as `workload` (as `ls` shows it) says, a sentence each: whether it
// runs, as which process, once, with its shim, under which limit of memory. Looks at
// /proc and the cgroups alone.
std::vector<std::string> Untrue(const Json& workload);

}  // namespace vx::system_test
