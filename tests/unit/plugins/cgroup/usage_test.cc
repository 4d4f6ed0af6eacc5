#include "plugins/cgroup/usage.h"

#include <gtest/gtest.h>

namespace vx::cgroup {
namespace {

TEST(UsageTest, HoldsWhatTheGroupTells) {
  CgroupStats stats;
  stats.cpu.total = absl::Milliseconds(2500);
  stats.memory.current = 1000;
  stats.memory.limit = 4000;
  stats.pids.current = 3;
  stats.pids.limit = 10;
  stats.io = {{.device = {8, 0}, .read_bytes = 1, .written_bytes = 2},
              {.device = {8, 16}, .read_bytes = 10, .written_bytes = 20}};
  stats.memory_pressure = Pressure{.some = PressureLine{.avg10 = 1.5}, .full = std::nullopt};
  const v1::Usage usage = ToUsage(stats);
  EXPECT_EQ(usage.cpu_time().seconds(), 2);
  EXPECT_EQ(usage.cpu_time().nanos(), 500'000'000);
  EXPECT_EQ(usage.memory_bytes(), 1000);
  EXPECT_EQ(usage.memory_limit_bytes(), 4000);
  EXPECT_EQ(usage.pids(), 3);
  EXPECT_EQ(usage.pids_limit(), 10);
  EXPECT_EQ(usage.read_bytes(), 11);
  EXPECT_EQ(usage.written_bytes(), 22);
  EXPECT_DOUBLE_EQ(usage.memory_pressure().some_avg10(), 1.5);
  EXPECT_DOUBLE_EQ(usage.memory_pressure().full_avg10(), 0);
}

TEST(UsageTest, LeavesOutWhatItDoesNot) {
  const v1::Usage usage = ToUsage(CgroupStats());
  EXPECT_FALSE(usage.has_memory_limit_bytes());
  EXPECT_FALSE(usage.has_pids_limit());
  EXPECT_FALSE(usage.has_cpu_pressure());
  EXPECT_FALSE(usage.has_memory_pressure());
  EXPECT_FALSE(usage.has_io_pressure());
  EXPECT_FALSE(usage.has_guest());
}

}  // namespace
}  // namespace vx::cgroup
