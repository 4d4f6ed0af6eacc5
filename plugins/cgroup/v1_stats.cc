// What version 1 tells of a group.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"
#include "plugins/cgroup/v1.h"

namespace vx::cgroup {
namespace {

std::optional<absl::Duration> Nanoseconds(std::optional<int64_t> value) {
  return value ? std::optional(absl::Nanoseconds(*value)) : std::nullopt;
}

}  // namespace

int64_t CgroupV1::OomKills() const {
  const std::string file = File("memory", "memory.oom_control");
  return file.empty() ? 0 : ReadKey(file, "oom_kill");
}

absl::StatusOr<OomNotice> CgroupV1::WatchOom() const {
  if (!Has("memory")) return absl::NotFoundError("no memory controller is mounted");
  return OomNotice::OfV1(absl::StrCat(layout_.controllers.at("memory"), path_));
}

absl::StatusOr<CgroupUsage> CgroupV1::Usage() const {
  if (!Exists()) return absl::NotFoundError(absl::StrCat("no cgroup ", path_));
  CgroupUsage usage;
  usage.cpu_time = absl::Nanoseconds(ReadNumber(File("cpuacct", "cpuacct.usage")));
  usage.memory_bytes = ReadNumber(File("memory", "memory.usage_in_bytes"));
  usage.pids = ReadNumber(File("pids", "pids.current"));
  return usage;
}

absl::StatusOr<CgroupStats> CgroupV1::Stats() const {
  VX_ASSIGN_OR_RETURN(CgroupUsage usage, Usage());
  CgroupStats stats;
  stats.cpu = ReadCpu();
  stats.cpu.total = usage.cpu_time;
  stats.memory = ReadMemory();
  stats.memory.current = usage.memory_bytes;
  stats.pids.current = usage.pids;
  stats.pids.limit = ReadFigure(File("pids", "pids.max"));
  stats.pids.refused = KeyedFile(File("pids", "pids.events")).Find("max");
  stats.io = ReadIo();
  if (!layout_.unified.empty()) ReadPressures(UnifiedGroup(), stats);
  return stats;
}

CpuStats CgroupV1::ReadCpu() const {
  CpuStats cpu;
  const KeyedFile stat(File("cpu", "cpu.stat"));
  cpu.user = Nanoseconds(ReadFigure(File("cpuacct", "cpuacct.usage_user")));
  cpu.system = Nanoseconds(ReadFigure(File("cpuacct", "cpuacct.usage_sys")));
  cpu.periods = stat.Find("nr_periods");
  cpu.throttled_periods = stat.Find("nr_throttled");
  cpu.throttled = Nanoseconds(stat.Find("throttled_time"));
  return cpu;
}

MemoryStats CgroupV1::ReadMemory() const {
  MemoryStats memory;
  const KeyedFile stat(File("memory", "memory.stat"));
  memory.peak = ReadFigure(File("memory", "memory.max_usage_in_bytes"));
  memory.limit = ReadFigure(File("memory", "memory.limit_in_bytes"));
  const auto both = ReadFigure(File("memory", "memory.memsw.limit_in_bytes"));
  if (both && memory.limit) memory.swap_limit = *both - *memory.limit;
  memory.swap = stat.Find("total_swap");
  memory.anon = stat.Find("total_rss");
  memory.file = stat.Find("total_cache");
  memory.major_faults = stat.Find("total_pgmajfault");
  // Of memory alone, and of memory and swap, which is first where the two are the same.
  const auto alone = ReadFigure(File("memory", "memory.failcnt"));
  const auto together = ReadFigure(File("memory", "memory.memsw.failcnt"));
  if (alone) memory.max_events = *alone + together.value_or(0);
  memory.oom_kills = KeyedFile(File("memory", "memory.oom_control")).Find("oom_kill");
  return memory;
}

std::vector<IoStats> CgroupV1::ReadIo() const {
  auto read = [&](absl::string_view name) { return ReadFile(File("blkio", name)).value_or(""); };
  return ParseBlkio(read("blkio.throttle.io_service_bytes_recursive"),
                    read("blkio.throttle.io_serviced_recursive"));
}

}  // namespace vx::cgroup
