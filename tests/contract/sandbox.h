// Where the suite runs drivers that act on the host.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace vx::contract {

// Mount and network namespaces of our own, loopback up, and the part of vxd that
// reaps what loses its parent. Call while single-threaded.
absl::Status EnterSandbox();

// The part alone that is a matter of the process, for a child of the suite.
absl::Status BecomeSubreaper();

// What is still there of an instance after its driver was destroyed: one sentence
// each. Removes the instance's own cgroups, which are empty if all is well.
std::vector<std::string> FindLeftovers(const std::string& work_dir, const std::string& instance_id);

// Removes what a driver, or a test that failed, left of an instance: cgroups with
// their processes, claimed ids.
void SweepInstance(const std::string& instance_id);
// How many of our children ended and were not waited for.
size_t ZombieChildren();
// Ends and reaps what is still a child of ours.
void SweepChildren();

}  // namespace vx::contract
