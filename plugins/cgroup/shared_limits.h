// The parts of setting limits that both versions share.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "plugins/cgroup/limits.h"

namespace vx::cgroup {

// A limit, as an error names it: OCI's name, the controller that has to be there, and
// the file of it; the path is empty where the controller is not.
struct LimitFile {
  std::string limit;
  std::string controller;
  std::string path;
};

// FAILED_PRECONDITION (CGROUP_CONTROLLERS): `why` ends a sentence that names the
// limit and its controller.
absl::Status LimitRefused(const LimitFile& file, absl::string_view why, absl::string_view hint);

// CGROUP_CONTROLLERS when the host lacks the controller or its kernel the file; else
// the kernel's refusal of the value (CGROUP_LIMIT). NOT_FOUND without the group.
absl::Status WriteLimit(const LimitFile& file, absl::string_view value);

// The limits without those that are to be lifted (-1) where there is no controller,
// and so nothing to lift.
CgroupLimits WithoutVain(const CgroupLimits& limits,
                         const std::function<bool(const std::string& controller)>& has);

// Refuses what no kernel that we run on has any more.
absl::Status RefuseObsoleteMemory(const CgroupLimits& limits);
// INVALID_ARGUMENT (CGROUP_LIMIT) unless memory.swap fits a memory limit of `bytes`.
absl::Status CheckSwap(const CgroupLimits& limits, int64_t bytes);
// checkBeforeUpdate: FAILED_PRECONDITION (CGROUP_LIMIT).
absl::Status CheckAboveUsage(const LimitFile& file, int64_t bytes, int64_t in_use);

// An idle group takes no shares: it is woken first. `value` is the shares' in that
// version's unit.
absl::Status SetSharesAndIdle(const CgroupLimits& limits, const LimitFile& shares,
                              const std::string& value, const LimitFile& idle);

// The burst must never be above the quota. `set_quota` sets quota and period, as far
// as they are given.
absl::Status SetQuotaAndBurst(const CgroupLimits& limits, const LimitFile& burst,
                              const std::function<absl::Status()>& set_quota);

absl::Status SetRdma(const std::map<std::string, RdmaLimit>& limits, const LimitFile& file);

// A number, or "max" when it is negative.
std::string NumberOrMax(int64_t value);

// "MAJOR:MINOR".
std::string DeviceName(const BlockDevice& device);

}  // namespace vx::cgroup
