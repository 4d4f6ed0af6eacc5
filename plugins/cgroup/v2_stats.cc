// What the unified hierarchy tells of a group.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"
#include "plugins/cgroup/v2.h"

namespace vx::cgroup {
namespace {

std::optional<absl::Duration> Microseconds(std::optional<int64_t> value) {
  return value ? std::optional(absl::Microseconds(*value)) : std::nullopt;
}

CpuStats ReadCpu(const KeyedFile& stat) {
  CpuStats cpu;
  cpu.total = absl::Microseconds(stat.Find("usage_usec").value_or(0));
  cpu.user = Microseconds(stat.Find("user_usec"));
  cpu.system = Microseconds(stat.Find("system_usec"));
  cpu.periods = stat.Find("nr_periods");
  cpu.throttled_periods = stat.Find("nr_throttled");
  cpu.throttled = Microseconds(stat.Find("throttled_usec"));
  return cpu;
}

}  // namespace

int64_t CgroupV2::OomKills() const { return ReadKey(File("memory.events"), "oom_kill"); }

absl::StatusOr<OomNotice> CgroupV2::WatchOom() const { return OomNotice::OfV2(group_); }

absl::StatusOr<CgroupUsage> CgroupV2::Usage() const {
  if (!Exists()) return absl::NotFoundError(absl::StrCat("no cgroup ", group_));
  CgroupUsage usage;
  usage.cpu_time = absl::Microseconds(ReadKey(File("cpu.stat"), "usage_usec"));
  usage.memory_bytes = ReadNumber(File("memory.current"));
  usage.pids = ReadNumber(File("pids.current"));
  return usage;
}

absl::StatusOr<CgroupStats> CgroupV2::Stats() const {
  if (!Exists()) return absl::NotFoundError(absl::StrCat("no cgroup ", group_));
  CgroupStats stats;
  stats.cpu = ReadCpu(KeyedFile(File("cpu.stat")));
  stats.memory = ReadMemory();
  stats.pids.current = ReadNumber(File("pids.current"));
  stats.pids.limit = ReadFigure(File("pids.max"));
  stats.pids.refused = KeyedFile(File("pids.events")).Find("max");
  stats.io = ParseIoStat(ReadFile(File("io.stat")).value_or(""));
  ReadPressures(group_, stats);
  return stats;
}

MemoryStats CgroupV2::ReadMemory() const {
  MemoryStats memory;
  const KeyedFile stat(File("memory.stat")), events(File("memory.events"));
  memory.current = ReadNumber(File("memory.current"));
  memory.peak = ReadFigure(File("memory.peak"));
  memory.limit = ReadFigure(File("memory.max"));
  memory.swap = ReadFigure(File("memory.swap.current"));
  memory.swap_limit = ReadFigure(File("memory.swap.max"));
  memory.anon = stat.Find("anon");
  memory.file = stat.Find("file");
  memory.major_faults = stat.Find("pgmajfault");
  memory.reclaim_scanned = stat.Find("pgscan");
  memory.reclaimed = stat.Find("pgsteal");
  memory.low_events = events.Find("low");
  memory.high_events = events.Find("high");
  memory.max_events = events.Find("max");
  memory.oom_events = events.Find("oom");
  memory.oom_kills = events.Find("oom_kill");
  return memory;
}

}  // namespace vx::cgroup
