// Device rules of v2: a small program in the kernel that is asked at each open and
// mknod of a device. Generated here and loaded by bpf(2); it lives as long as the
// group that it is attached to.
#pragma once

#include <linux/bpf.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "plugins/cgroup/device_rules.h"

namespace vx::cgroup {

// The last rule that speaks of a right to a device decides over that right; what
// none speaks of is denied. The result has no loop and ends with 0 (denied) or 1.
std::vector<bpf_insn> CompileDeviceFilter(const std::vector<DeviceRule>& rules);

// Loads the program and attaches it to a v2 group, in place of the one that an
// earlier call attached. Programs of others, also of groups above, have to allow a
// device too. FAILED_PRECONDITION (DEVICE_FILTER) when the kernel or our rights
// don't let us.
absl::Status AttachDeviceFilter(const std::string& group, const std::vector<DeviceRule>& rules);

}  // namespace vx::cgroup
