// A workload's part of the cpus, in the words of cgroups.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/cgroup/cgroup.h"

namespace vx::cgroup {

// `weight` (cgroup v2's cpu.weight: 1 to 10000, 100 is the default) as OCI's shares: so
// that v2 gets the weight again by OCI's formula, and v1 what the kernel takes for the
// same (1024 for 100, the default of both).
int64_t ToShares(int64_t weight, CgroupMode mode);

// A quota of `cpus` cpus' worth of time in periods of kCpuPeriodUs; never less than the
// kernel takes.
inline constexpr int64_t kCpuPeriodUs = 100000;
int64_t ToQuota(double cpus);

// The cpus of the group above `group`, where that group is bound to others: what lifts
// the binding. Else empty.
std::string LiftedCpuset(const CgroupLayout& layout, const std::string& group);

}  // namespace vx::cgroup
