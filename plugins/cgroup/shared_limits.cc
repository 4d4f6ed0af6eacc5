#include "plugins/cgroup/shared_limits.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"

namespace vx::cgroup {
namespace {

constexpr char kLeaveOut[] = "leave the limit out";

std::string Name(const LimitFile& file) {
  return absl::StrCat("limit ", file.limit, " (cgroup controller ", file.controller, ")");
}

absl::Status BadSwap(absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "CGROUP_LIMIT",
               absl::StrCat("limit memory.swap (cgroup controller memory) ", why),
               "memory.swap counts memory and swap together");
}

}  // namespace

absl::Status LimitRefused(const LimitFile& file, absl::string_view why, absl::string_view hint) {
  return Error(absl::StatusCode::kFailedPrecondition, "CGROUP_CONTROLLERS",
               absl::StrCat(Name(file), " can't be set: ", why), hint);
}

absl::Status WriteLimit(const LimitFile& file, absl::string_view value) {
  if (file.path.empty()) {
    return LimitRefused(
        file, absl::StrCat("the host has no cgroup controller ", file.controller, " mounted"),
        "mount it, or leave the limit out");
  }
  const absl::Status status = WriteToFile(file.path, value);
  if (status.ok()) return status;
  const std::string group = ParentOf(file.path);
  if (!PathExists(group)) return absl::NotFoundError(absl::StrCat("no cgroup ", group));
  if (!PathExists(file.path)) {
    return LimitRefused(file, absl::StrCat("the host's kernel has no ", file.path),
                        "use a kernel that has it, or leave the limit out");
  }
  return Error(status.code(), "CGROUP_LIMIT",
               absl::StrCat(Name(file), " can't be \"", value, "\": ", status.message()),
               "choose a value that the kernel takes there, or leave the limit out");
}

CgroupLimits WithoutVain(const CgroupLimits& limits,
                         const std::function<bool(const std::string& controller)>& has) {
  CgroupLimits rest = limits;
  const std::pair<const char*, std::optional<int64_t>*> lifted[] = {
      {"memory", &rest.memory_bytes},
      {"memory", &rest.memory_swap_bytes},
      {"memory", &rest.memory_reservation_bytes},
      {"memory", &rest.kernel_tcp_memory_bytes},
      {"cpu", &rest.cpu_quota},
      {"pids", &rest.pids}};
  for (const auto& [controller, value] : lifted) {
    if (value->value_or(0) >= 0 || has(controller)) continue;
    // A period without a quota bounds nothing.
    if (value == &rest.cpu_quota) rest.cpu_period.reset();
    value->reset();
  }
  return rest;
}

absl::Status RefuseObsoleteMemory(const CgroupLimits& limits) {
  if (limits.kernel_memory_bytes.value_or(-1) >= 0) {
    return LimitRefused({"memory.kernel", "memory", ""},
                        "kernels no longer bound kernel memory by itself; memory.limit covers it",
                        kLeaveOut);
  }
  if (limits.use_hierarchy.value_or(true)) return absl::OkStatus();
  return LimitRefused({"memory.useHierarchy", "memory", ""},
                      "kernels no longer count the groups below separately", kLeaveOut);
}

absl::Status CheckSwap(const CgroupLimits& limits, int64_t bytes) {
  const int64_t both = limits.memory_swap_bytes.value_or(-1);
  if (both < 0) return absl::OkStatus();
  if (bytes < 0) return BadSwap("needs a memory.limit beside it");
  if (both >= bytes) return absl::OkStatus();
  return BadSwap(absl::StrCat("is ", both, ", less than memory.limit, ", bytes));
}

absl::Status CheckAboveUsage(const LimitFile& file, int64_t bytes, int64_t in_use) {
  if (bytes < 0 || bytes >= in_use) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "CGROUP_LIMIT",
               absl::StrCat(Name(file), " can't be ", bytes, ": ", in_use, " bytes are in use"),
               "choose a greater limit, or leave memory.checkBeforeUpdate out");
}

absl::Status SetSharesAndIdle(const CgroupLimits& limits, const LimitFile& shares,
                              const std::string& value, const LimitFile& idle) {
  const bool wakes = limits.cpu_idle && limits.cpu_shares && ReadNumber(idle.path) == 1;
  if (wakes) VX_RETURN_IF_ERROR(WriteLimit(idle, "0"));
  if (limits.cpu_shares) VX_RETURN_IF_ERROR(WriteLimit(shares, value));
  if (!limits.cpu_idle) return absl::OkStatus();
  return WriteLimit(idle, absl::StrCat(*limits.cpu_idle));
}

absl::Status SetQuotaAndBurst(const CgroupLimits& limits, const LimitFile& burst,
                              const std::function<absl::Status()>& set_quota) {
  const int64_t before = ReadNumber(burst.path);
  const bool moves_quota = limits.cpu_quota || limits.cpu_period;
  const bool lifts = moves_quota && before > 0;
  if (lifts) VX_RETURN_IF_ERROR(WriteLimit(burst, "0"));
  if (moves_quota) VX_RETURN_IF_ERROR(set_quota());
  if (!limits.cpu_burst && !lifts) return absl::OkStatus();
  return WriteLimit(burst, absl::StrCat(limits.cpu_burst.value_or(before)));
}

absl::Status SetRdma(const std::map<std::string, RdmaLimit>& limits, const LimitFile& file) {
  for (const auto& [device, limit] : limits) {
    std::string value = device;
    if (limit.handles) absl::StrAppend(&value, " hca_handle=", *limit.handles);
    if (limit.objects) absl::StrAppend(&value, " hca_object=", *limit.objects);
    VX_RETURN_IF_ERROR(WriteLimit(file, value));
  }
  return absl::OkStatus();
}

std::string NumberOrMax(int64_t value) { return value < 0 ? "max" : absl::StrCat(value); }

std::string DeviceName(const BlockDevice& device) {
  return absl::StrCat(device.major, ":", device.minor);
}

}  // namespace vx::cgroup
