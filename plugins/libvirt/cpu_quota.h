// Bounds the processor time of a VM by a cgroup of our own around its QEMU: the
// guest's processors are whole, its share of the host's need not be.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"

namespace vx::libvirt {

// Works on cgroup v1 and v2; stateless, hence thread-safe.
class CpuQuota {
 public:
  // All groups are made in the one called `parent` ("/vx-1234"), which goes with the
  // last of them. `root` is another for tests.
  explicit CpuQuota(std::string parent, std::string root = "/sys/fs/cgroup");

  // Puts the process into the group `name`, which may use `cpus` cpus' worth of
  // time. FAILED_PRECONDITION (NO_CPU_CONTROLLER) where the host has none.
  absl::Status Limit(const std::string& name, pid_t pid, double cpus) const;

  // Fine when there is no such group.
  void Remove(const std::string& name) const;

 private:
  bool unified() const;
  // The parent's folder; empty when there is no controller.
  std::string ParentDir() const;
  absl::Status MakeGroup(const std::string& parent, const std::string& group) const;

  const std::string parent_;
  const std::string root_;
};

}  // namespace vx::libvirt
