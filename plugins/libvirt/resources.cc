#include "plugins/libvirt/resources.h"

#include <cmath>

#include "plugins/cgroup/cpus.h"

namespace vx::libvirt {

int64_t GuestMemory(const v1::Resources& resources) {
  return resources.has_memory_bytes() ? resources.memory_bytes() : kDefaultMemory;
}

int64_t MemoryBound(int64_t guest_memory) {
  return guest_memory + guest_memory / kOverheadShare + kQemuOverhead;
}

int VirtualCpus(const v1::Resources& resources) {
  return resources.has_cpus() ? static_cast<int>(std::ceil(resources.cpus())) : 1;
}

cgroup::CgroupLimits OwnLimits(const v1::Resources& resources) {
  cgroup::CgroupLimits limits;
  limits.memory_bytes = MemoryBound(GuestMemory(resources));
  limits.pids = kQemuThreads + 2 * VirtualCpus(resources);
  return limits;
}

cgroup::CgroupLimits AskedLimits(const v1::Resources& resources, cgroup::CgroupMode mode) {
  constexpr int64_t kDefaultWeight = 100;
  cgroup::CgroupLimits limits;
  if (resources.has_cpu_weight()) {
    limits.cpu_shares = cgroup::ToShares(resources.cpu_weight(), mode);
  } else if (mode != cgroup::CgroupMode::kNone) {
    limits.cpu_shares = cgroup::ToShares(kDefaultWeight, mode);
  }
  limits.cpus = resources.cpuset();
  return limits;
}

cgroup::CgroupLimits TimeLimit(const v1::Resources& resources, int vcpus) {
  cgroup::CgroupLimits limits;
  const double cpus = resources.has_cpus() ? resources.cpus() : 1;
  limits.cpu_quota = cpus < vcpus ? cgroup::ToQuota(cpus) : -1;
  limits.cpu_period = cgroup::kCpuPeriodUs;
  return limits;
}

}  // namespace vx::libvirt
