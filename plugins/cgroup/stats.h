// What a group has used. What a host does not tell is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "plugins/cgroup/limits.h"

namespace vx::cgroup {

struct CgroupUsage {
  absl::Duration cpu_time;
  int64_t memory_bytes = 0;
  int64_t pids = 0;
};

struct CpuStats {
  absl::Duration total;
  std::optional<absl::Duration> user;
  std::optional<absl::Duration> system;
  // Periods of the quota, those in which it was used up, and the wait that came of it.
  std::optional<int64_t> periods;
  std::optional<int64_t> throttled_periods;
  std::optional<absl::Duration> throttled;
};

// Bytes and counts. A limit is left out where there is none.
struct MemoryStats {
  int64_t current = 0;
  std::optional<int64_t> peak;
  std::optional<int64_t> limit;
  std::optional<int64_t> swap;
  std::optional<int64_t> swap_limit;  // of swap alone
  std::optional<int64_t> anon;
  std::optional<int64_t> file;
  std::optional<int64_t> major_faults;
  // Pages that were looked at, and taken back, because of pressure.
  std::optional<int64_t> reclaim_scanned;
  std::optional<int64_t> reclaimed;
  // How often it was below "low" and reclaimed all the same, over "high", at the
  // limit, at it with nothing to reclaim, and how many processes were killed for it.
  std::optional<int64_t> low_events;
  std::optional<int64_t> high_events;
  std::optional<int64_t> max_events;
  std::optional<int64_t> oom_events;
  std::optional<int64_t> oom_kills;
};

struct PidsStats {
  int64_t current = 0;
  std::optional<int64_t> limit;
  std::optional<int64_t> refused;  // forks
};

struct IoStats {
  BlockDevice device;
  int64_t read_bytes = 0;
  int64_t written_bytes = 0;
  int64_t reads = 0;
  int64_t writes = 0;
};

// Percent of the last 10, 60 and 300 seconds, and the time in all, in which work
// waited.
struct PressureLine {
  double avg10 = 0;
  double avg60 = 0;
  double avg300 = 0;
  absl::Duration total;
};

struct Pressure {
  std::optional<PressureLine> some;  // of the processes waited
  std::optional<PressureLine> full;  // all of them did
};

struct CgroupStats {
  CpuStats cpu;
  MemoryStats memory;
  PidsStats pids;
  std::vector<IoStats> io;  // by device
  // Left out where the kernel has no PSI.
  std::optional<Pressure> cpu_pressure;
  std::optional<Pressure> memory_pressure;
  std::optional<Pressure> io_pressure;
};

// The formats of the kernel's files; what does not fit is skipped.
Pressure ParsePressure(absl::string_view text);
// "8:0 rbytes=1 wbytes=2 rios=3 …" of v2.
std::vector<IoStats> ParseIoStat(absl::string_view text);
// "8:0 Read 1" of v1, two files.
std::vector<IoStats> ParseBlkio(absl::string_view bytes, absl::string_view operations);

// Reads cpu.pressure, memory.pressure and io.pressure of a v2 group.
void ReadPressures(const std::string& group, CgroupStats& stats);

// Of a file; nothing when it is not there, or says "max" or what v1 means by it.
std::optional<int64_t> ReadFigure(const std::string& path);

// A file of "KEY VALUE" lines, read once.
class KeyedFile {
 public:
  explicit KeyedFile(const std::string& path);
  std::optional<int64_t> Find(absl::string_view key) const;

 private:
  std::string text_;
};

}  // namespace vx::cgroup
