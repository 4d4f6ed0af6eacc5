// Limits in the hierarchies of version 1.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"
#include "plugins/cgroup/shared_limits.h"
#include "plugins/cgroup/v1.h"
#include "plugins/cgroup/v2.h"

namespace vx::cgroup {
namespace {

constexpr char kAllDevices[] = "a *:* rwm";

bool StartsWithAllAllowed(const std::string& list) {
  return list.substr(0, list.find('\n')) == kAllDevices;
}

}  // namespace

LimitFile CgroupV1::Limit(absl::string_view limit, const std::string& controller,
                          absl::string_view name) const {
  return {std::string(limit), controller, File(controller, name)};
}

absl::Status CgroupV1::Apply(const CgroupLimits& all) {
  const CgroupLimits limits =
      WithoutVain(all, [&](const std::string& controller) { return Has(controller); });
  if (!limits.unified.empty()) {
    return LimitRefused({absl::StrCat("unified.", limits.unified.begin()->first), "v2", ""},
                        "this host's controllers are of cgroup v1",
                        "use a host with cgroup v2, or v1's own limits");
  }
  VX_RETURN_IF_ERROR(ApplyMemory(limits));
  VX_RETURN_IF_ERROR(ApplyCpu(limits));
  VX_RETURN_IF_ERROR(ApplyPids(limits));
  VX_RETURN_IF_ERROR(ApplyCpuset(limits));
  VX_RETURN_IF_ERROR(ApplyBlock(limits.block));
  VX_RETURN_IF_ERROR(ApplyHugepages(limits));
  VX_RETURN_IF_ERROR(ApplyNetwork(limits));
  VX_RETURN_IF_ERROR(ApplyRdma(limits));
  return ApplyDevices(limits.devices);
}

absl::Status CgroupV1::ApplyMemory(const CgroupLimits& limits) const {
  VX_RETURN_IF_ERROR(RefuseObsoleteMemory(limits));
  if (limits.memory_bytes || limits.memory_swap_bytes) VX_RETURN_IF_ERROR(ApplyMemoryMax(limits));
  const std::pair<std::optional<int64_t>, LimitFile> rest[] = {
      {limits.memory_reservation_bytes,
       Limit("memory.reservation", "memory", "memory.soft_limit_in_bytes")},
      {limits.kernel_tcp_memory_bytes,
       Limit("memory.kernelTCP", "memory", "memory.kmem.tcp.limit_in_bytes")},
      {limits.swappiness, Limit("memory.swappiness", "memory", "memory.swappiness")},
      {limits.disable_oom_killer,
       Limit("memory.disableOOMKiller", "memory", "memory.oom_control")}};
  for (const auto& [value, file] : rest) {
    if (value) VX_RETURN_IF_ERROR(WriteLimit(file, absl::StrCat(*value)));
  }
  return absl::OkStatus();
}

absl::Status CgroupV1::ApplyMemoryMax(const CgroupLimits& limits) const {
  const LimitFile memory = Limit("memory.limit", "memory", "memory.limit_in_bytes");
  const int64_t bytes =
      limits.memory_bytes ? *limits.memory_bytes : ReadFigure(memory.path).value_or(-1);
  if (limits.memory_check_before_update) {
    const int64_t in_use = ReadNumber(File("memory", "memory.usage_in_bytes"));
    VX_RETURN_IF_ERROR(CheckAboveUsage(memory, bytes, in_use));
  }
  VX_RETURN_IF_ERROR(CheckSwap(limits, bytes));
  const int64_t both = limits.memory_swap_bytes.value_or(bytes);
  // Without the file swap is not counted: only "no limit" can be had.
  const bool counts_swap = PathExists(File("memory", "memory.memsw.limit_in_bytes"));
  const bool wants_swap = limits.memory_swap_bytes && both >= 0;
  return counts_swap || wants_swap ? ApplyMemoryAndSwap(bytes, both)
                                   : WriteLimit(memory, absl::StrCat(bytes));
}

// Both together must never be below memory alone: which of the two is set first
// depends on the direction.
absl::Status CgroupV1::ApplyMemoryAndSwap(int64_t bytes, int64_t both) const {
  const LimitFile memory = Limit("memory.limit", "memory", "memory.limit_in_bytes");
  const LimitFile together = Limit("memory.swap", "memory", "memory.memsw.limit_in_bytes");
  const bool grows = both < 0 || both > ReadNumber(together.path, INT64_MAX);
  if (grows) VX_RETURN_IF_ERROR(WriteLimit(together, absl::StrCat(both)));
  VX_RETURN_IF_ERROR(WriteLimit(memory, absl::StrCat(bytes)));
  return grows ? absl::OkStatus() : WriteLimit(together, absl::StrCat(both));
}

absl::Status CgroupV1::ApplyCpu(const CgroupLimits& limits) const {
  VX_RETURN_IF_ERROR(SetSharesAndIdle(limits, Limit("cpu.shares", "cpu", "cpu.shares"),
                                      absl::StrCat(limits.cpu_shares.value_or(0)),
                                      Limit("cpu.idle", "cpu", "cpu.idle")));
  auto set_quota = [&] {
    absl::Status status;
    if (limits.cpu_period) {
      status = WriteLimit(Limit("cpu.period", "cpu", "cpu.cfs_period_us"),
                          absl::StrCat(*limits.cpu_period));
    }
    if (!status.ok() || !limits.cpu_quota) return status;
    return WriteLimit(Limit("cpu.quota", "cpu", "cpu.cfs_quota_us"),
                      absl::StrCat(*limits.cpu_quota));
  };
  VX_RETURN_IF_ERROR(
      SetQuotaAndBurst(limits, Limit("cpu.burst", "cpu", "cpu.cfs_burst_us"), set_quota));
  if (limits.cpu_rt_period) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("cpu.realtimePeriod", "cpu", "cpu.rt_period_us"),
                                  absl::StrCat(*limits.cpu_rt_period)));
  }
  if (!limits.cpu_rt_runtime) return absl::OkStatus();
  return WriteLimit(Limit("cpu.realtimeRuntime", "cpu", "cpu.rt_runtime_us"),
                    absl::StrCat(*limits.cpu_rt_runtime));
}

absl::Status CgroupV1::ApplyCpuset(const CgroupLimits& limits) const {
  if (!WantsCpuset(limits)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(JoinCpuset());
  if (!limits.cpus.empty()) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("cpu.cpus", "cpuset", "cpuset.cpus"), limits.cpus));
  }
  if (limits.mems.empty()) return absl::OkStatus();
  return WriteLimit(Limit("cpu.mems", "cpuset", "cpuset.mems"), limits.mems);
}

absl::Status CgroupV1::ApplyPids(const CgroupLimits& limits) const {
  if (!limits.pids) return absl::OkStatus();
  return WriteLimit(Limit("pids.limit", "pids", "pids.max"), NumberOrMax(*limits.pids));
}

absl::Status CgroupV1::ApplyNetwork(const CgroupLimits& limits) const {
  if (limits.network_class) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("network.classID", "net_cls", "net_cls.classid"),
                                  absl::StrCat(*limits.network_class)));
  }
  for (const auto& [interface, priority] : limits.network_priorities) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("network.priorities", "net_prio", "net_prio.ifpriomap"),
                                  absl::StrCat(interface, " ", priority)));
  }
  return absl::OkStatus();
}

bool CgroupV1::IsUnified(const std::string& controller) const {
  if (Has(controller) || layout_.unified.empty()) return false;
  const std::string all =
      ReadFile(absl::StrCat(layout_.unified, "/cgroup.controllers")).value_or("");
  const std::vector<absl::string_view> names =
      absl::StrSplit(all, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return std::find(names.begin(), names.end(), controller) != names.end();
}

absl::Status CgroupV1::ApplyUnified(const CgroupLimits& limits) const {
  return CgroupV2(layout_, path_).Apply(limits);
}

absl::Status CgroupV1::ApplyHugepages(const CgroupLimits& limits) const {
  if (limits.hugepages.empty()) return absl::OkStatus();
  if (IsUnified("hugetlb")) return ApplyUnified({.hugepages = limits.hugepages});
  for (const auto& [size, bytes] : limits.hugepages) {
    const std::string value = absl::StrCat(bytes);
    const LimitFile used = Limit(absl::StrCat("hugepageLimits.", size), "hugetlb",
                                 absl::StrCat("hugetlb.", size, ".limit_in_bytes"));
    LimitFile reserved = used;
    reserved.path = File("hugetlb", absl::StrCat("hugetlb.", size, ".rsvd.limit_in_bytes"));
    VX_RETURN_IF_ERROR(WriteLimit(used, value));
    if (PathExists(reserved.path)) VX_RETURN_IF_ERROR(WriteLimit(reserved, value));
  }
  return absl::OkStatus();
}

absl::Status CgroupV1::ApplyRdma(const CgroupLimits& limits) const {
  if (limits.rdma.empty()) return absl::OkStatus();
  if (IsUnified("rdma")) return ApplyUnified({.rdma = limits.rdma});
  return SetRdma(limits.rdma, Limit("rdma", "rdma", "rdma.max"));
}

absl::Status CgroupV1::ApplyDevices(const std::vector<DeviceRule>& rules) const {
  if (rules.empty()) return absl::OkStatus();
  if (!Has("devices") && !layout_.unified.empty()) return ApplyUnified({.devices = rules});
  VX_ASSIGN_OR_RETURN(DeviceExceptions wanted, ToExceptions(rules));
  const LimitFile allow = Limit("devices", "devices", "devices.allow");
  const LimitFile deny = Limit("devices", "devices", "devices.deny");
  const std::string now = ReadFile(File("devices", "devices.list")).value_or("");
  // In a group that is itself below a restricted one it is refused.
  if (!wanted.allow_all || !StartsWithAllAllowed(now)) {
    VX_RETURN_IF_ERROR(WriteLimit(wanted.allow_all ? allow : deny, "a"));
  }
  for (const DeviceRule& rule : wanted.exceptions) {
    VX_RETURN_IF_ERROR(WriteLimit(wanted.allow_all ? deny : allow, rule.Text()));
  }
  return absl::OkStatus();
}

}  // namespace vx::cgroup
