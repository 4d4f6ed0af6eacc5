// Limits in the unified hierarchy.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/device_filter.h"
#include "plugins/cgroup/files.h"
#include "plugins/cgroup/v2.h"

namespace vx::cgroup {
namespace {

constexpr int64_t kDefaultPeriod = 100000;
constexpr char kV1Only[] = "it is one of cgroup v1, and this host's controllers are of v2";

// From v1's scale (2 to 262144) to v2's (1 to 10000), as OCI has it.
int64_t SharesToWeight(int64_t shares) {
  return 1 + (std::clamp<int64_t>(shares, 2, 262144) - 2) * 9999 / 262142;
}

bool HasBlock(const BlockLimits& block) {
  return block.weight || block.leaf_weight || !block.weights.empty() || !block.read_bps.empty() ||
         !block.write_bps.empty() || !block.read_iops.empty() || !block.write_iops.empty();
}

// "memory" of "memory.high"; empty for a file of cgroups as such.
std::string ControllerOf(const std::string& file) {
  const std::string controller = file.substr(0, file.find('.'));
  return controller == "cgroup" ? "" : controller;
}

// A plain name, and nothing that moves, ends or stops processes.
bool IsUnifiedName(const std::string& name) {
  if (name.find('/') != std::string::npos || name.find('.') == std::string::npos) return false;
  if (name.front() == '.') return false;
  return !name.starts_with("cgroup.") || name.starts_with("cgroup.max.") ||
         name == "cgroup.pressure";
}

absl::Status BadUnifiedName(const std::string& name) {
  return Error(absl::StatusCode::kInvalidArgument, "CGROUP_LIMIT",
               absl::StrCat("limit unified (cgroup v2): \"", name,
                            "\" is not the name of a file that holds a limit"),
               "give a name as \"memory.high\"");
}

}  // namespace

LimitFile CgroupV2::Limit(absl::string_view limit, const std::string& controller,
                          absl::string_view name) const {
  return {std::string(limit), controller, File(name)};
}

std::vector<std::string> CgroupV2::Controllers() const {
  const std::string text = ReadFile(File("cgroup.controllers")).value_or("");
  return absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

CgroupV2::Needs CgroupV2::NeedsOf(const CgroupLimits& limits) {
  Needs needs;
  auto need = [&](bool given, const char* controller, const std::string& limit) {
    if (given) needs.emplace(controller, limit);
  };
  need(limits.memory_bytes.has_value(), "memory", "memory.limit");
  need(limits.memory_swap_bytes.has_value(), "memory", "memory.swap");
  need(limits.memory_reservation_bytes.has_value(), "memory", "memory.reservation");
  need(limits.cpu_shares.has_value(), "cpu", "cpu.shares");
  need(limits.cpu_quota.has_value(), "cpu", "cpu.quota");
  need(limits.cpu_period.has_value(), "cpu", "cpu.period");
  need(limits.cpu_burst.has_value(), "cpu", "cpu.burst");
  need(limits.cpu_idle.has_value(), "cpu", "cpu.idle");
  need(limits.pids.has_value(), "pids", "pids.limit");
  need(!limits.cpus.empty(), "cpuset", "cpu.cpus");
  need(!limits.mems.empty(), "cpuset", "cpu.mems");
  need(HasBlock(limits.block), "io", "blockIO");
  need(!limits.hugepages.empty(), "hugetlb", "hugepageLimits");
  need(!limits.rdma.empty(), "rdma", "rdma");
  for (const auto& [file, value] : limits.unified) {
    const std::string controller = ControllerOf(file);
    need(!controller.empty(), controller.c_str(), "unified." + file);
  }
  return needs;
}

absl::Status CgroupV2::Apply(const CgroupLimits& all) {
  const std::vector<std::string> here = Controllers();
  const CgroupLimits limits = WithoutVain(all, [&](const std::string& controller) {
    return std::find(here.begin(), here.end(), controller) != here.end();
  });
  VX_RETURN_IF_ERROR(RefuseV1Only(limits));
  for (const auto& [name, value] : limits.unified) {
    if (!IsUnifiedName(name)) return BadUnifiedName(name);
  }
  if (!Exists()) return absl::NotFoundError(absl::StrCat("no cgroup ", group_));
  VX_RETURN_IF_ERROR(Enable(NeedsOf(limits), {}));
  VX_RETURN_IF_ERROR(ApplyMemory(limits));
  VX_RETURN_IF_ERROR(ApplyCpu(limits));
  if (limits.pids) {
    VX_RETURN_IF_ERROR(
        WriteLimit(Limit("pids.limit", "pids", "pids.max"), NumberOrMax(*limits.pids)));
  }
  VX_RETURN_IF_ERROR(ApplyCpuset(limits));
  VX_RETURN_IF_ERROR(ApplyBlock(limits.block));
  VX_RETURN_IF_ERROR(ApplyHugepages(limits));
  VX_RETURN_IF_ERROR(SetRdma(limits.rdma, Limit("rdma", "rdma", "rdma.max")));
  if (!limits.devices.empty()) VX_RETURN_IF_ERROR(AttachDeviceFilter(group_, limits.devices));
  return ApplyUnified(limits);
}

absl::Status CgroupV2::RefuseV1Only(const CgroupLimits& limits) const {
  VX_RETURN_IF_ERROR(RefuseObsoleteMemory(limits));
  struct Refusal {
    bool given;
    const char* limit;
    const char* controller;
    const char* hint;
  };
  const Refusal refusals[] = {
      {limits.swappiness.has_value(), "memory.swappiness", "memory", "leave it out"},
      {limits.disable_oom_killer.value_or(false), "memory.disableOOMKiller", "memory",
       "leave it out; unified \"memory.high\" slows down before it kills"},
      {limits.kernel_tcp_memory_bytes.value_or(-1) >= 0, "memory.kernelTCP", "memory",
       "leave it out; memory.limit covers it"},
      {limits.cpu_rt_runtime.value_or(0) != 0, "cpu.realtimeRuntime", "cpu", "leave it out"},
      {limits.cpu_rt_period.value_or(0) != 0, "cpu.realtimePeriod", "cpu", "leave it out"},
      {limits.network_class.has_value(), "network.classID", "net_cls",
       "leave it out; packets can be matched by their cgroup's path"},
      {!limits.network_priorities.empty(), "network.priorities", "net_prio",
       "leave it out; packets can be matched by their cgroup's path"}};
  for (const Refusal& refusal : refusals) {
    if (refusal.given)
      return LimitRefused({refusal.limit, refusal.controller, ""}, kV1Only, refusal.hint);
  }
  return absl::OkStatus();
}

absl::Status CgroupV2::ApplyMemory(const CgroupLimits& limits) const {
  if (limits.memory_bytes || limits.memory_swap_bytes) VX_RETURN_IF_ERROR(ApplyMemoryMax(limits));
  if (!limits.memory_reservation_bytes) return absl::OkStatus();
  // Nothing reserved is 0 here; "max" would protect everything.
  const int64_t low = std::max<int64_t>(*limits.memory_reservation_bytes, 0);
  return WriteLimit(Limit("memory.reservation", "memory", "memory.low"), absl::StrCat(low));
}

absl::Status CgroupV2::ApplyMemoryMax(const CgroupLimits& limits) const {
  const LimitFile memory = Limit("memory.limit", "memory", "memory.max");
  const int64_t bytes =
      limits.memory_bytes ? *limits.memory_bytes : ReadFigure(memory.path).value_or(-1);
  if (limits.memory_check_before_update) {
    VX_RETURN_IF_ERROR(CheckAboveUsage(memory, bytes, ReadNumber(File("memory.current"))));
  }
  VX_RETURN_IF_ERROR(CheckSwap(limits, bytes));
  if (limits.memory_bytes) VX_RETURN_IF_ERROR(WriteLimit(memory, NumberOrMax(bytes)));
  return ApplySwap(limits, bytes);
}

absl::Status CgroupV2::ApplySwap(const CgroupLimits& limits, int64_t bytes) const {
  const LimitFile swap = Limit("memory.swap", "memory", "memory.swap.max");
  const int64_t both = limits.memory_swap_bytes.value_or(bytes);
  // Without the file swap is not counted: only "no limit" can be had.
  const bool asked = limits.memory_swap_bytes && both >= 0;
  if (!asked && !PathExists(swap.path)) return absl::OkStatus();
  const int64_t alone = both < 0 ? -1 : both - bytes;
  if (limits.memory_check_before_update && asked) {
    VX_RETURN_IF_ERROR(CheckAboveUsage(swap, alone, ReadNumber(File("memory.swap.current"))));
  }
  return WriteLimit(swap, NumberOrMax(alone));
}

absl::Status CgroupV2::ApplyCpu(const CgroupLimits& limits) const {
  VX_RETURN_IF_ERROR(
      SetSharesAndIdle(limits, Limit("cpu.shares", "cpu", "cpu.weight"),
                       absl::StrCat(SharesToWeight(limits.cpu_shares.value_or(1024))),
                       Limit("cpu.idle", "cpu", "cpu.idle")));
  return SetQuotaAndBurst(limits, Limit("cpu.burst", "cpu", "cpu.max.burst"),
                          [&] { return ApplyQuota(limits); });
}

absl::Status CgroupV2::ApplyQuota(const CgroupLimits& limits) const {
  const std::string now = ReadFile(File("cpu.max")).value_or("");
  const std::vector<std::string> words = absl::StrSplit(now, absl::ByAnyChar(" \n"));
  std::string quota = words[0].empty() ? "max" : words[0];
  std::string period =
      words.size() > 1 && !words[1].empty() ? words[1] : absl::StrCat(kDefaultPeriod);
  if (limits.cpu_quota) quota = NumberOrMax(*limits.cpu_quota);
  if (limits.cpu_period) period = absl::StrCat(*limits.cpu_period);
  return WriteLimit(Limit(limits.cpu_quota ? "cpu.quota" : "cpu.period", "cpu", "cpu.max"),
                    absl::StrCat(quota, " ", period));
}

absl::Status CgroupV2::ApplyCpuset(const CgroupLimits& limits) const {
  if (!limits.cpus.empty()) {
    VX_RETURN_IF_ERROR(WriteLimit(Limit("cpu.cpus", "cpuset", "cpuset.cpus"), limits.cpus));
  }
  if (limits.mems.empty()) return absl::OkStatus();
  return WriteLimit(Limit("cpu.mems", "cpuset", "cpuset.mems"), limits.mems);
}

absl::Status CgroupV2::ApplyHugepages(const CgroupLimits& limits) const {
  for (const auto& [size, bytes] : limits.hugepages) {
    const std::string limit = absl::StrCat("hugepageLimits.", size), value = absl::StrCat(bytes);
    const LimitFile reserved = Limit(limit, "hugetlb", absl::StrCat("hugetlb.", size, ".rsvd.max"));
    VX_RETURN_IF_ERROR(
        WriteLimit(Limit(limit, "hugetlb", absl::StrCat("hugetlb.", size, ".max")), value));
    if (PathExists(reserved.path)) VX_RETURN_IF_ERROR(WriteLimit(reserved, value));
  }
  return absl::OkStatus();
}

// A line a write: the kernel reads no further than the first.
absl::Status CgroupV2::ApplyUnified(const CgroupLimits& limits) const {
  for (const auto& [name, value] : limits.unified) {
    const LimitFile file = Limit(absl::StrCat("unified.", name), ControllerOf(name), name);
    const std::vector<std::string> lines = absl::StrSplit(absl::StripSuffix(value, "\n"), '\n');
    for (const std::string& line : lines) VX_RETURN_IF_ERROR(WriteLimit(file, line));
  }
  return absl::OkStatus();
}

}  // namespace vx::cgroup
