// Each limit of OCI in both versions' words, over folders that stand in for the
// hierarchies.
#include "plugins/cgroup/limits.h"

#include <functional>

#include "tests/unit/plugins/cgroup/trees.h"

namespace vx::cgroup {
namespace {

using testing::HasSubstr;

TEST_F(V1Test, MemorysOtherLimitsHaveFilesOfTheirOwn) {
  for (const char* file : {"memory.memsw.limit_in_bytes", "memory.soft_limit_in_bytes",
                           "memory.swappiness", "memory.oom_control"}) {
    PutInGroup(absl::StrCat("memory/", file));
  }
  ASSERT_TRUE(Open()
                  ->Apply({.memory_bytes = 1000,
                           .memory_swap_bytes = 3000,
                           .memory_reservation_bytes = 500,
                           .swappiness = 7,
                           .disable_oom_killer = true})
                  .ok());
  EXPECT_EQ(Of("memory/memory.limit_in_bytes"), "1000");
  EXPECT_EQ(Of("memory/memory.memsw.limit_in_bytes"), "3000");
  EXPECT_EQ(Of("memory/memory.soft_limit_in_bytes"), "500");
  EXPECT_EQ(Of("memory/memory.swappiness"), "7");
  EXPECT_EQ(Of("memory/memory.oom_control"), "1");
}

TEST_F(V1Test, CpusOtherLimitsHaveFilesOfTheirOwn) {
  Mount("cpuset");
  for (const char* file : {"cpu/cpu.cfs_burst_us", "cpu/cpu.idle", "cpu/cpu.rt_runtime_us",
                           "cpu/cpu.rt_period_us", "cpuset/cpuset.cpus", "cpuset/cpuset.mems"}) {
    PutInGroup(file);
  }
  ASSERT_TRUE(Open()
                  ->Apply({.cpu_period = 20000,
                           .cpu_burst = 1000,
                           .cpu_rt_runtime = 30,
                           .cpu_rt_period = 40,
                           .cpu_idle = 1,
                           .cpus = "0-1",
                           .mems = "0"})
                  .ok());
  EXPECT_EQ(Of("cpu/cpu.cfs_period_us"), "20000");
  EXPECT_EQ(Of("cpu/cpu.cfs_quota_us"), "") << "it was not given";
  EXPECT_EQ(Of("cpu/cpu.cfs_burst_us"), "1000");
  EXPECT_EQ(Of("cpu/cpu.idle"), "1");
  EXPECT_EQ(Of("cpu/cpu.rt_runtime_us"), "30");
  EXPECT_EQ(Of("cpu/cpu.rt_period_us"), "40");
  EXPECT_EQ(Of("cpuset/cpuset.cpus"), "0-1");
  EXPECT_EQ(Of("cpuset/cpuset.mems"), "0");
}

TEST_F(V1Test, BlockIoNamesDevicesByNumber) {
  Mount("blkio");
  for (const char* file : {"blkio.bfq.weight", "blkio.bfq.weight_device",
                           "blkio.throttle.read_bps_device", "blkio.throttle.write_bps_device",
                           "blkio.throttle.read_iops_device", "blkio.throttle.write_iops_device"}) {
    PutInGroup(absl::StrCat("blkio/", file));
  }
  BlockLimits block;
  block.weight = 300;
  block.weights = {{{8, 0}, 200, {}}};
  block.read_bps = {{{8, 0}, 1000}};
  block.write_bps = {{{8, 16}, 0}};
  block.read_iops = {{{8, 0}, 30}};
  block.write_iops = {{{8, 0}, 40}};
  ASSERT_TRUE(Open()->Apply({.block = block}).ok());
  EXPECT_EQ(Of("blkio/blkio.bfq.weight"), "300");
  EXPECT_EQ(Of("blkio/blkio.bfq.weight_device"), "8:0 200");
  EXPECT_EQ(Of("blkio/blkio.throttle.read_bps_device"), "8:0 1000");
  EXPECT_EQ(Of("blkio/blkio.throttle.write_bps_device"), "8:16 0");
  EXPECT_EQ(Of("blkio/blkio.throttle.read_iops_device"), "8:0 30");
  EXPECT_EQ(Of("blkio/blkio.throttle.write_iops_device"), "8:0 40");
  ExpectRefused(Open()->Apply({.block = {.leaf_weight = 10}}), "blockIO.leafWeight", "blkio");
}

TEST_F(V1Test, HugepagesAreBoundByUseAndByReservation) {
  Mount("hugetlb");
  PutInGroup("hugetlb/hugetlb.2MB.limit_in_bytes");
  PutInGroup("hugetlb/hugetlb.2MB.rsvd.limit_in_bytes");
  ASSERT_TRUE(Open()->Apply({.hugepages = {{"2MB", 4194304}}}).ok());
  EXPECT_EQ(Of("hugetlb/hugetlb.2MB.limit_in_bytes"), "4194304");
  EXPECT_EQ(Of("hugetlb/hugetlb.2MB.rsvd.limit_in_bytes"), "4194304");
  ExpectRefused(Open()->Apply({.hugepages = {{"1GB", 0}}}), "hugepageLimits.1GB", "hugetlb");
}

TEST_F(V1Test, NetworkAndRdmaGoToTheirControllersWhereTheyAre) {
  ExpectRefused(Open()->Apply({.network_class = 1}), "network.classID", "net_cls");
  ExpectRefused(Open()->Apply({.network_priorities = {{"eth0", 1}}}), "network.priorities",
                "net_prio");
  ExpectRefused(Open()->Apply({.rdma = {{"mlx5_0", {1, 2}}}}), "rdma", "rdma");
  for (const char* name : {"net_cls", "net_prio", "rdma"}) Mount(name);
  for (const char* file :
       {"net_cls/net_cls.classid", "net_prio/net_prio.ifpriomap", "rdma/rdma.max"}) {
    PutInGroup(file);
  }
  ASSERT_TRUE(Open()
                  ->Apply({.network_class = 1048577,
                           .network_priorities = {{"eth0", 5}},
                           .rdma = {{"mlx5_0", {3, 10000}}}})
                  .ok());
  EXPECT_EQ(Of("net_cls/net_cls.classid"), "1048577");
  EXPECT_EQ(Of("net_prio/net_prio.ifpriomap"), "eth0 5");
  EXPECT_EQ(Of("rdma/rdma.max"), "mlx5_0 hca_handle=3 hca_object=10000");
}

TEST_F(V1Test, DevicesAreDeniedFirstAndThenAllowed) {
  Mount("devices");
  for (const char* file : {"devices.allow", "devices.deny", "devices.list"}) {
    PutInGroup(absl::StrCat("devices/", file));
  }
  ASSERT_TRUE(Open()->Apply({.devices = {{true, 'c', 1, 3, kAnyAccess}}}).ok());
  EXPECT_EQ(Of("devices/devices.deny"), "a");
  EXPECT_EQ(Of("devices/devices.allow"), "c 1:3 rwm");
}

TEST_F(V1Test, AllDevicesAllowedWhereTheyAreIsNotWritten) {
  Mount("devices");
  PutInGroup("devices/devices.list", "a *:* rwm\n");
  PutInGroup("devices/devices.deny");
  EXPECT_TRUE(Open()->Apply({.devices = {{.allow = true}, {false, 'b', 8, -1, kWrite}}}).ok());
  EXPECT_EQ(Of("devices/devices.deny"), "b 8:* w");
}

TEST_F(V1Test, OnAHybridHostWhatNoV1HierarchyHasGoesToV2) {
  layout_.mode = CgroupMode::kHybrid;
  layout_.unified = dir_ / "unified";
  Put("unified/cgroup.controllers", "hugetlb\n");
  Put("unified/cgroup.subtree_control");
  Put("unified/vx-test/cgroup.controllers", "hugetlb\n");
  Put("unified/vx-test/cgroup.subtree_control");
  PutInGroup("unified/hugetlb.2MB.max");
  ASSERT_TRUE(Open()->Apply({.hugepages = {{"2MB", 0}}}).ok());
  EXPECT_EQ(Of("unified/hugetlb.2MB.max"), "0");
  EXPECT_EQ(Get("unified/cgroup.subtree_control"), "+hugetlb");
  ExpectRefused(Open()->Apply({.rdma = {{"mlx5_0", {1, {}}}}}), "rdma", "rdma");
}

TEST_F(V1Test, UnifiedIsForV2) {
  ExpectRefused(Open()->Apply({.unified = {{"memory.high", "1"}}}), "unified.memory.high", "v2");
}

TEST_F(V1Test, ALimitThatTheKernelHasNoFileForIsRefused) {
  ExpectRefused(Open()->Apply({.cpu_burst = 5}), "cpu.burst", "cpu");
  ExpectRefused(Open()->Apply({.cpu_idle = 1}), "cpu.idle", "cpu");
  ExpectRefused(Open()->Apply({.memory_bytes = 1, .memory_swap_bytes = 1}), "memory.swap",
                "memory");
  ExpectRefused(Open()->Apply({.kernel_memory_bytes = 1}), "memory.kernel", "memory");
  ExpectRefused(Open()->Apply({.use_hierarchy = false}), "memory.useHierarchy", "memory");
}

TEST_F(V1Test, LiftingWhatNoControllerHoldsIsFine) {
  layout_.controllers.erase("memory");
  layout_.controllers.erase("cpu");
  EXPECT_TRUE(Open()->Apply({.memory_bytes = -1, .cpu_quota = -1, .cpu_period = 1}).ok());
}

TEST_F(V2Test, MemorysOtherLimitsAreWrittenInV2sWords) {
  PutInGroup("memory.low");
  ASSERT_TRUE(
      Open()
          ->Apply(
              {.memory_bytes = 1000, .memory_swap_bytes = 3000, .memory_reservation_bytes = 500})
          .ok());
  EXPECT_EQ(Of("memory.max"), "1000");
  EXPECT_EQ(Of("memory.swap.max"), "2000") << "v2 counts swap alone";
  EXPECT_EQ(Of("memory.low"), "500");
  PutInGroup("memory.low");
  ASSERT_TRUE(Open()->Apply({.memory_reservation_bytes = -1}).ok());
  EXPECT_EQ(Of("memory.low"), "0");
}

TEST_F(V2Test, SwapAloneIsCountedFromTheLimitThatHolds) {
  PutInGroup("memory.max", "1000\n");
  ASSERT_TRUE(Open()->Apply({.memory_swap_bytes = 1500}).ok());
  EXPECT_EQ(Of("memory.swap.max"), "500");
  EXPECT_EQ(Of("memory.max"), "1000\n");
}

TEST_F(V2Test, SwapThatDoesNotFitTheLimitIsRefused) {
  ExpectRefused(Open()->Apply({.memory_bytes = 1000, .memory_swap_bytes = 999}), "memory.swap",
                "memory", "CGROUP_LIMIT");
  PutInGroup("memory.max", "max\n");
  ExpectRefused(Open()->Apply({.memory_swap_bytes = 999}), "memory.swap", "memory", "CGROUP_LIMIT");
}

TEST_F(V2Test, CheckBeforeUpdateRefusesALimitBelowWhatIsInUse) {
  PutInGroup("memory.current", "5000\n");
  CgroupLimits limits{.memory_bytes = 4000, .memory_check_before_update = true};
  ExpectRefused(Open()->Apply(limits), "memory.limit", "memory", "CGROUP_LIMIT");
  EXPECT_EQ(Of("memory.max"), "");
  limits.memory_bytes = 5000;
  EXPECT_TRUE(Open()->Apply(limits).ok());
  limits.memory_check_before_update = false;
  limits.memory_bytes = 4000;
  EXPECT_TRUE(Open()->Apply(limits).ok());
}

TEST_F(V2Test, CpusOtherLimitsAreWrittenInV2sWords) {
  for (const char* file : {"cpu.max.burst", "cpu.idle", "cpuset.cpus", "cpuset.mems"}) {
    PutInGroup(file);
  }
  PutInGroup("cpu.max", "5000 10000\n");
  ASSERT_TRUE(
      Open()
          ->Apply({.cpu_period = 200000, .cpu_burst = 9, .cpu_idle = 1, .cpus = "1", .mems = "0"})
          .ok());
  EXPECT_EQ(Of("cpu.max"), "5000 200000") << "the quota stays";
  EXPECT_EQ(Of("cpu.max.burst"), "9");
  EXPECT_EQ(Of("cpu.idle"), "1");
  EXPECT_EQ(Of("cpuset.cpus"), "1");
  EXPECT_EQ(Of("cpuset.mems"), "0");
}

TEST_F(V2Test, SharesBecomeWeightsByOcisFormula) {
  for (const auto& [shares, weight] :
       {std::pair(2, "1"), std::pair(1024, "39"), std::pair(262144, "10000")}) {
    PutInGroup("cpu.weight");
    ASSERT_TRUE(Open()->Apply({.cpu_shares = shares}).ok());
    EXPECT_EQ(Of("cpu.weight"), weight) << shares;
  }
}

TEST_F(V2Test, BlockIoHasALineADevice) {
  PutInGroup("io.weight");
  PutInGroup("io.max");
  ASSERT_TRUE(Open()->Apply({.block = {.weight = 10}}).ok());
  EXPECT_EQ(Of("io.weight"), "1");
  PutInGroup("io.weight");
  ASSERT_TRUE(Open()->Apply({.block = {.weights = {{{8, 0}, 1000, {}}}}}).ok());
  EXPECT_EQ(Of("io.weight"), "8:0 10000");
  const std::pair<BlockLimits, const char*> throttles[] = {
      {{.read_bps = {{{8, 0}, 1}}}, "8:0 rbps=1"},
      {{.write_bps = {{{8, 0}, 0}}}, "8:0 wbps=max"},
      {{.read_iops = {{{8, 0}, 3}}}, "8:0 riops=3"},
      {{.write_iops = {{{8, 0}, 4}}}, "8:0 wiops=4"}};
  for (const auto& [block, text] : throttles) {
    PutInGroup("io.max");
    ASSERT_TRUE(Open()->Apply({.block = block}).ok());
    EXPECT_EQ(Of("io.max"), text);
  }
  PutInGroup("io.bfq.weight");
  ASSERT_TRUE(Open()->Apply({.block = {.weight = 500}}).ok());
  EXPECT_EQ(Of("io.bfq.weight"), "500");
}

TEST_F(V2Test, HugepagesAndRdmaHaveFilesOfTheirOwn) {
  PutInGroup("hugetlb.1GB.max");
  PutInGroup("hugetlb.1GB.rsvd.max");
  PutInGroup("rdma.max");
  ASSERT_TRUE(Open()->Apply({.hugepages = {{"1GB", 7}}, .rdma = {{"mlx4_0", {{}, 4}}}}).ok());
  EXPECT_EQ(Of("hugetlb.1GB.max"), "7");
  EXPECT_EQ(Of("hugetlb.1GB.rsvd.max"), "7");
  EXPECT_EQ(Of("rdma.max"), "mlx4_0 hca_object=4");
}

TEST_F(V2Test, UnifiedWritesFilesByNameAfterAllElse) {
  PutInGroup("memory.high");
  PutInGroup("cgroup.max.depth");
  ASSERT_TRUE(Open()
                  ->Apply({.memory_bytes = 5,
                           .unified = {{"memory.high", "77"},
                                       {"cgroup.max.depth", "1\n"},
                                       {"memory.max", "9"}}})
                  .ok());
  EXPECT_EQ(Of("memory.high"), "77");
  EXPECT_EQ(Of("cgroup.max.depth"), "1");
  EXPECT_EQ(Of("memory.max"), "9");
}

TEST_F(V2Test, UnifiedTakesNamesOfLimitsOnly) {
  for (const char* name : {"../memory.max", "a/b", "", ".", "..", "plain", "cgroup.procs",
                           "cgroup.kill", "cgroup.freeze", "cgroup.subtree_control"}) {
    const absl::Status status = Open()->Apply({.unified = {{name, "1"}}});
    EXPECT_EQ(ErrorReason(status), "CGROUP_LIMIT") << name;
  }
  ExpectRefused(Open()->Apply({.unified = {{"memory.none", "1"}}}), "unified.memory.none",
                "memory");
  ExpectRefused(Open()->Apply({.unified = {{"moon.max", "1"}}}), "unified.moon.max", "moon");
}

TEST_F(V2Test, WhatOnlyV1HasIsRefused) {
  ExpectRefused(Open()->Apply({.swappiness = 1}), "memory.swappiness", "memory");
  ExpectRefused(Open()->Apply({.disable_oom_killer = true}), "memory.disableOOMKiller", "memory");
  ExpectRefused(Open()->Apply({.kernel_tcp_memory_bytes = 1}), "memory.kernelTCP", "memory");
  ExpectRefused(Open()->Apply({.cpu_rt_runtime = 1}), "cpu.realtimeRuntime", "cpu");
  ExpectRefused(Open()->Apply({.cpu_rt_period = 1}), "cpu.realtimePeriod", "cpu");
  ExpectRefused(Open()->Apply({.block = {.leaf_weight = 10}}), "blockIO.leafWeight", "io");
  ExpectRefused(Open()->Apply({.network_class = 0}), "network.classID", "net_cls");
  ExpectRefused(Open()->Apply({.network_priorities = {{"e", 1}}}), "network.priorities",
                "net_prio");
  EXPECT_TRUE(Open()->Apply({.disable_oom_killer = false, .use_hierarchy = true}).ok());
}

TEST_F(V2Test, LiftingWhatNoControllerHoldsIsFine) {
  PutInGroup("cgroup.controllers", "pids\n");
  Put("vx-test/cgroup.controllers", "pids\n");
  EXPECT_TRUE(Open()->Apply({.memory_bytes = -1, .cpu_quota = -1, .cpu_period = 1}).ok());
  EXPECT_EQ(Of("memory.max"), "");
}

TEST_F(CgroupTest, LimitsOfAGroupThatIsNotThereAreNotFound) {
  CgroupLayout layout;
  layout.mode = CgroupMode::kV2;
  layout.unified = dir_.path();
  EXPECT_TRUE(absl::IsNotFound(Cgroup::Open(layout, kPath)->Apply({.pids = 1})));
}

}  // namespace
}  // namespace vx::cgroup
