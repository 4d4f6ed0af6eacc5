#include "plugins/cgroup/usage.h"

#include "absl/time/time.h"

namespace vx::cgroup {
namespace {

void SetDuration(absl::Duration from, google::protobuf::Duration& to) {
  to.set_seconds(absl::IDivDuration(from, absl::Seconds(1), &from));
  to.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(from)));
}

double Average(const std::optional<PressureLine>& line) { return line ? line->avg10 : 0; }

void SetPressure(const Pressure& from, v1::Pressure& to) {
  to.set_some_avg10(Average(from.some));
  to.set_full_avg10(Average(from.full));
}

void SetIo(const std::vector<IoStats>& devices, v1::Usage& usage) {
  int64_t read = 0, written = 0;
  for (const IoStats& device : devices) {
    read += device.read_bytes;
    written += device.written_bytes;
  }
  usage.set_read_bytes(read);
  usage.set_written_bytes(written);
}

}  // namespace

v1::Usage ToUsage(const CgroupStats& stats) {
  v1::Usage usage;
  SetDuration(stats.cpu.total, *usage.mutable_cpu_time());
  usage.set_memory_bytes(stats.memory.current);
  if (stats.memory.limit) usage.set_memory_limit_bytes(*stats.memory.limit);
  usage.set_pids(stats.pids.current);
  if (stats.pids.limit) usage.set_pids_limit(*stats.pids.limit);
  SetIo(stats.io, usage);
  if (stats.cpu_pressure) SetPressure(*stats.cpu_pressure, *usage.mutable_cpu_pressure());
  if (stats.memory_pressure) SetPressure(*stats.memory_pressure, *usage.mutable_memory_pressure());
  if (stats.io_pressure) SetPressure(*stats.io_pressure, *usage.mutable_io_pressure());
  return usage;
}

}  // namespace vx::cgroup
