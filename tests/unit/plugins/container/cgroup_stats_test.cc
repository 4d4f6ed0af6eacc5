// What both versions tell, over folders that stand in for the hierarchies.
#include "plugins/container/cgroup_stats.h"

#include "tests/unit/plugins/container/cgroup_trees.h"

namespace vx::container {
namespace {

using testing::Optional;

constexpr char kPressure[] =
    "some avg10=1.50 avg60=2.25 avg300=0.00 total=1000000\n"
    "full avg10=0.00 avg60=0.10 avg300=0.00 total=42\n";

void ExpectDisk(const std::vector<IoStats>& io) {
  ASSERT_EQ(io.size(), 2u);
  EXPECT_EQ(io[0].device.major, 8);
  EXPECT_EQ(io[0].device.minor, 16);
  EXPECT_EQ(io[0].read_bytes, 4096);
  EXPECT_EQ(io[0].written_bytes, 8192);
  EXPECT_EQ(io[0].reads, 1);
  EXPECT_EQ(io[0].writes, 2);
  EXPECT_EQ(io[1].device.major, 254);
}

TEST_F(V1Test, StatsAreReadFromAllControllers) {
  Mount("blkio");
  PutInGroup("cpuacct/cpuacct.usage", "1500000000\n");
  PutInGroup("cpuacct/cpuacct.usage_user", "1000000000\n");
  PutInGroup("cpuacct/cpuacct.usage_sys", "500000000\n");
  PutInGroup("cpu/cpu.stat", "nr_periods 10\nnr_throttled 3\nthrottled_time 2000000\n");
  PutInGroup("memory/memory.usage_in_bytes", "4096\n");
  PutInGroup("memory/memory.max_usage_in_bytes", "8192\n");
  PutInGroup("memory/memory.limit_in_bytes", "16384\n");
  PutInGroup("memory/memory.memsw.limit_in_bytes", "20480\n");
  PutInGroup("memory/memory.failcnt", "4\n");
  PutInGroup("memory/memory.memsw.failcnt", "2\n");
  PutInGroup("memory/memory.stat",
             "rss 1\ntotal_rss 100\ntotal_cache 200\ntotal_swap 300\n"
             "total_pgmajfault 4\n");
  PutInGroup("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  PutInGroup("pids/pids.current", "5\n");
  PutInGroup("pids/pids.max", "max\n");
  PutInGroup("pids/pids.events", "max 9\n");
  PutInGroup("blkio/blkio.throttle.io_service_bytes_recursive",
             "8:16 Read 4096\n8:16 Write 8192\n8:16 Sync 0\n254:0 Read 1\nTotal 12289\n");
  PutInGroup("blkio/blkio.throttle.io_serviced_recursive", "8:16 Read 1\n8:16 Write 2\nTotal 3\n");
  auto stats = Open()->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cpu.total, absl::Milliseconds(1500));
  EXPECT_THAT(stats->cpu.user, Optional(absl::Seconds(1)));
  EXPECT_THAT(stats->cpu.system, Optional(absl::Milliseconds(500)));
  EXPECT_THAT(stats->cpu.periods, Optional(10));
  EXPECT_THAT(stats->cpu.throttled_periods, Optional(3));
  EXPECT_THAT(stats->cpu.throttled, Optional(absl::Milliseconds(2)));
  EXPECT_EQ(stats->memory.current, 4096);
  EXPECT_THAT(stats->memory.peak, Optional(8192));
  EXPECT_THAT(stats->memory.limit, Optional(16384));
  EXPECT_THAT(stats->memory.swap_limit, Optional(4096));
  EXPECT_THAT(stats->memory.swap, Optional(300));
  EXPECT_THAT(stats->memory.anon, Optional(100));
  EXPECT_THAT(stats->memory.file, Optional(200));
  EXPECT_THAT(stats->memory.major_faults, Optional(4));
  EXPECT_THAT(stats->memory.max_events, Optional(6));
  EXPECT_THAT(stats->memory.oom_kills, Optional(2));
  EXPECT_EQ(stats->memory.high_events, std::nullopt);
  EXPECT_EQ(stats->pids.current, 5);
  EXPECT_EQ(stats->pids.limit, std::nullopt);
  EXPECT_THAT(stats->pids.refused, Optional(9));
  ExpectDisk(stats->io);
  EXPECT_EQ(stats->cpu_pressure, std::nullopt);
}

TEST_F(V1Test, NoLimitIsV1sGreatestNumber) {
  PutInGroup("memory/memory.limit_in_bytes", "9223372036854771712\n");
  auto stats = Open()->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->memory.limit, std::nullopt);
}

TEST_F(V1Test, AHybridHostTellsPressure) {
  layout_.mode = CgroupMode::kHybrid;
  layout_.unified = dir_ / "unified";
  PutInGroup("unified/memory.pressure", kPressure);
  auto stats = Open()->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  ASSERT_TRUE(stats->memory_pressure && stats->memory_pressure->full);
  EXPECT_EQ(stats->memory_pressure->full->total, absl::Microseconds(42));
}

TEST_F(V2Test, StatsAreReadFromAllControllers) {
  PutInGroup("cpu.stat",
             "usage_usec 2500\nuser_usec 1500\nsystem_usec 1000\nnr_periods 10\nnr_throttled 3\n"
             "throttled_usec 77\n");
  PutInGroup("memory.current", "8192\n");
  PutInGroup("memory.peak", "9000\n");
  PutInGroup("memory.max", "16384\n");
  PutInGroup("memory.swap.current", "10\n");
  PutInGroup("memory.swap.max", "20\n");
  PutInGroup("memory.stat", "anon 100\nfile 200\npgscan 5\npgsteal 6\npgmajfault 7\n");
  PutInGroup("memory.events", "low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\n");
  PutInGroup("pids.current", "3\n");
  PutInGroup("pids.max", "33\n");
  PutInGroup("pids.events", "max 2\n");
  PutInGroup("io.stat",
             "8:16 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n254:0 rbytes=1\n7:0 \n");
  PutInGroup("cpu.pressure", "some avg10=1.50 avg60=2.25 avg300=0.00 total=1000000\n");
  PutInGroup("io.pressure", kPressure);
  auto stats = Open()->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->cpu.total, absl::Microseconds(2500));
  EXPECT_THAT(stats->cpu.user, Optional(absl::Microseconds(1500)));
  EXPECT_THAT(stats->cpu.system, Optional(absl::Milliseconds(1)));
  EXPECT_THAT(stats->cpu.throttled_periods, Optional(3));
  EXPECT_THAT(stats->cpu.throttled, Optional(absl::Microseconds(77)));
  EXPECT_EQ(stats->memory.current, 8192);
  EXPECT_THAT(stats->memory.peak, Optional(9000));
  EXPECT_THAT(stats->memory.limit, Optional(16384));
  EXPECT_THAT(stats->memory.swap, Optional(10));
  EXPECT_THAT(stats->memory.swap_limit, Optional(20));
  EXPECT_THAT(stats->memory.anon, Optional(100));
  EXPECT_THAT(stats->memory.file, Optional(200));
  EXPECT_THAT(stats->memory.reclaim_scanned, Optional(5));
  EXPECT_THAT(stats->memory.reclaimed, Optional(6));
  EXPECT_THAT(stats->memory.major_faults, Optional(7));
  EXPECT_THAT(stats->memory.low_events, Optional(1));
  EXPECT_THAT(stats->memory.high_events, Optional(2));
  EXPECT_THAT(stats->memory.max_events, Optional(3));
  EXPECT_THAT(stats->memory.oom_events, Optional(4));
  EXPECT_THAT(stats->memory.oom_kills, Optional(5));
  EXPECT_THAT(stats->pids.limit, Optional(33));
  EXPECT_THAT(stats->pids.refused, Optional(2));
  ExpectDisk(stats->io);
  ASSERT_TRUE(stats->cpu_pressure && stats->cpu_pressure->some);
  EXPECT_EQ(stats->cpu_pressure->some->avg10, 1.5);
  EXPECT_EQ(stats->cpu_pressure->some->avg60, 2.25);
  EXPECT_EQ(stats->cpu_pressure->some->total, absl::Seconds(1));
  EXPECT_FALSE(stats->cpu_pressure->full);
  EXPECT_TRUE(stats->io_pressure->full);
  EXPECT_EQ(stats->memory_pressure, std::nullopt);
}

TEST_F(V2Test, WhatIsNotToldIsLeftOut) {
  auto stats = Open()->Stats();
  ASSERT_TRUE(stats.ok()) << stats.status();
  EXPECT_EQ(stats->memory.peak, std::nullopt);
  EXPECT_EQ(stats->cpu.throttled, std::nullopt);
  EXPECT_TRUE(stats->io.empty());
}

}  // namespace
}  // namespace vx::container
