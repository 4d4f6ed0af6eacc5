// Both backends, over folders that stand in for the hierarchies. The real kernel
// is cgroup_kernel_test's and the contract suite's.
#include "plugins/cgroup/cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "plugins/cgroup/files.h"
#include "tests/unit/plugins/cgroup/trees.h"

namespace vx::cgroup {
namespace {

using testing::ElementsAre;

constexpr char kHybrid[] =
    "23 1 254:0 / / rw,relatime - ext4 /dev/root rw\n"
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory\n"
    "40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

TEST(ParseCgroupMounts, HybridHasControllersAndTheUnifiedBesideThem) {
  const CgroupLayout layout = ParseCgroupMounts(kHybrid);
  EXPECT_EQ(layout.mode, CgroupMode::kHybrid);
  EXPECT_EQ(layout.unified, "/sys/fs/cgroup/unified");
  EXPECT_EQ(layout.controllers.at("cpuacct"), "/sys/fs/cgroup/cpu,cpuacct");
  EXPECT_THAT(layout.Hierarchies(),
              ElementsAre("/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"));
}

TEST(ParseCgroupMounts, OneHierarchyIsV2) {
  const CgroupLayout layout =
      ParseCgroupMounts("30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
  EXPECT_EQ(layout.mode, CgroupMode::kV2);
  EXPECT_EQ(layout.unified, "/sys/fs/cgroup");
}

TEST(ParseCgroupMounts, NamedHierarchiesAloneDontMakeV1) {
  EXPECT_EQ(ParseCgroupMounts("1 2 0:1 / /x rw - cgroup cgroup rw,name=systemd\n").mode,
            CgroupMode::kNone);
  EXPECT_EQ(ParseCgroupMounts("").mode, CgroupMode::kNone);
  EXPECT_EQ(ParseCgroupMounts("nonsense - cgroup\n - cgroup\n").mode, CgroupMode::kNone);
  EXPECT_EQ(ParseCgroupMounts("1 2 0:1 / /m rw - cgroup cgroup rw,memory\n").mode, CgroupMode::kV1);
}

TEST_F(V1Test, EachLimitGoesToItsController) {
  auto cgroup = Cgroup::Open(layout_, kPath);
  const CgroupLimits limits{.memory_bytes = 64 << 20,
                            .cpu_quota = 50000,
                            .cpu_period = 100000,
                            .cpu_shares = 512,
                            .pids = 33};
  ASSERT_TRUE(cgroup->Make(limits).ok());
  EXPECT_EQ(Get(InGroup("memory/memory.limit_in_bytes")), "67108864");
  EXPECT_EQ(Get(InGroup("cpu/cpu.cfs_quota_us")), "50000");
  EXPECT_EQ(Get(InGroup("cpu/cpu.cfs_period_us")), "100000");
  EXPECT_EQ(Get(InGroup("cpu/cpu.shares")), "512");
  EXPECT_EQ(Get(InGroup("pids/pids.max")), "33");
  EXPECT_TRUE(cgroup->Exists());
}

TEST_F(V1Test, SwapIsNoWayAroundTheLimit) {
  PutInGroup("memory/memory.memsw.limit_in_bytes", "9999999");
  auto cgroup = Cgroup::Open(layout_, kPath);
  ASSERT_TRUE(cgroup->Make({.memory_bytes = 1 << 20}).ok());
  EXPECT_EQ(ReadNumber(dir_.path() + "/" + InGroup("memory/memory.memsw.limit_in_bytes")), 1 << 20);
}

TEST_F(V1Test, ALimitWithoutItsControllerIsAnErrorThatNamesIt) {
  layout_.controllers.erase("pids");
  ExpectRefused(Open()->Make({.pids = 1}), "pids.limit", "pids");
}

TEST_F(V1Test, AParentThatSomeoneMadeAndGaveNoCpusGetsThem) {
  layout_.controllers["cpuset"] = absl::StrCat(dir_.path(), "/cpuset");
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    Put(absl::StrCat("cpuset/", file), "0-3\n");
    Put(absl::StrCat("cpuset/vx-test/", file), "\n");
    PutInGroup(absl::StrCat("cpuset/", file));
  }
  ASSERT_TRUE(Cgroup::Open(layout_, kPath)->Make({.cpus = "1-2"}).ok());
  for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
    EXPECT_EQ(Get(absl::StrCat("cpuset/vx-test/", file)), "0-3\n");
  }
  EXPECT_EQ(Get(InGroup("cpuset/cpuset.cpus")), "1-2\n");
  EXPECT_EQ(Get(InGroup("cpuset/cpuset.mems")), "0-3\n");
}

TEST_F(V1Test, UsageAndOomKillsAreRead) {
  PutInGroup("cpuacct/cpuacct.usage", "1500000000\n");
  PutInGroup("memory/memory.usage_in_bytes", "4096\n");
  PutInGroup("memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
  PutInGroup("pids/pids.current", "5\n");
  auto cgroup = Cgroup::Open(layout_, kPath);
  auto usage = cgroup->Usage();
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->cpu_time, absl::Milliseconds(1500));
  EXPECT_EQ(usage->memory_bytes, 4096);
  EXPECT_EQ(usage->pids, 5);
  EXPECT_EQ(cgroup->OomKills(), 2);
}

TEST_F(V1Test, DoorsAreTheTasksOfEveryHierarchyOnce) {
  layout_.controllers["cpuacct"] = layout_.controllers["cpu"];
  for (const char* file : {"memory/tasks", "cpu/tasks", "pids/tasks"}) PutInGroup(file);
  auto doors = Cgroup::Open(layout_, kPath)->OpenDoors();
  ASSERT_TRUE(doors.ok()) << doors.status();
  EXPECT_EQ(doors->tasks.size(), 3u);
  EXPECT_FALSE(doors->into.valid());
}

TEST_F(V2Test, LimitsAreWrittenInV2sWords) {
  auto cgroup = Cgroup::Open(layout_, kPath);
  ASSERT_TRUE(cgroup
                  ->Make({.memory_bytes = 64 << 20,
                          .cpu_quota = 50000,
                          .cpu_period = 100000,
                          .cpu_shares = 262144,
                          .pids = 33})
                  .ok());
  EXPECT_EQ(Of("memory.max"), "67108864");
  EXPECT_EQ(Of("memory.swap.max"), "0");
  EXPECT_EQ(Of("cpu.max"), "50000 100000");
  EXPECT_EQ(Of("cpu.weight"), "10000");
  EXPECT_EQ(Of("pids.max"), "33");
}

TEST_F(V2Test, MinusOneLiftsALimit) {
  auto cgroup = Cgroup::Open(layout_, kPath);
  ASSERT_TRUE(cgroup->Apply({.memory_bytes = -1, .cpu_quota = -1, .pids = -1}).ok());
  EXPECT_EQ(Of("memory.max"), "max");
  EXPECT_EQ(Of("memory.swap.max"), "max");
  EXPECT_EQ(Of("cpu.max"), "max 100000");
  EXPECT_EQ(Of("pids.max"), "max");
}

TEST_F(V2Test, ControllersAreHandedDownWhereTheyAreMissing) {
  Put("cgroup.subtree_control", "cpu memory\n");
  ASSERT_TRUE(Open()->Make({}).ok());
  EXPECT_EQ(Get("cgroup.subtree_control").substr(0, 9), "+pids +io");
  EXPECT_EQ(Get("vx-test/cgroup.subtree_control"), "+memory +cpu +pids +io");
}

TEST_F(V2Test, WhatNoLimitNeedsIsNotAskedFor) {
  Put("cgroup.controllers", "memory\n");
  Put("vx-test/cgroup.controllers", "memory\n");
  ASSERT_TRUE(Open()->Make({}).ok());
  EXPECT_EQ(Get("cgroup.subtree_control"), "+memory");
}

TEST_F(V2Test, ALimitWithoutItsControllerIsAnErrorThatNamesIt) {
  Put("cgroup.controllers", "memory cpu\n");
  ExpectRefused(Open()->Make({.pids = 1}), "pids.limit", "pids");
  ExpectRefused(Open()->Make({.cpus = "0"}), "cpu.cpus", "cpuset");
}

TEST_F(V2Test, UsageAndOomKillsAreRead) {
  Put("vx-test/uid/cpu.stat", "usage_usec 2500\nuser_usec 1\n");
  Put("vx-test/uid/memory.current", "8192\n");
  Put("vx-test/uid/pids.current", "3\n");
  Put("vx-test/uid/memory.events", "low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\n");
  auto cgroup = Cgroup::Open(layout_, kPath);
  auto usage = cgroup->Usage();
  ASSERT_TRUE(usage.ok());
  EXPECT_EQ(usage->cpu_time, absl::Microseconds(2500));
  EXPECT_EQ(usage->memory_bytes, 8192);
  EXPECT_EQ(usage->pids, 3);
  EXPECT_EQ(cgroup->OomKills(), 1);
}

TEST_F(V2Test, FreezingWaitsForTheKernelsWord) {
  Put("vx-test/uid/cgroup.freeze", "0");
  Put("vx-test/uid/cgroup.events", "populated 1\nfrozen 1\n");
  auto cgroup = Cgroup::Open(layout_, kPath);
  ASSERT_TRUE(cgroup->Freeze(true).ok());
  EXPECT_EQ(Of("cgroup.freeze"), "1");
  EXPECT_TRUE(cgroup->IsFrozen());
}

TEST_F(V2Test, KillIsWrittenAndWaitsUntilNobodyIsLeft) {
  Put("vx-test/uid/cgroup.kill");
  Put("vx-test/uid/cgroup.events", "populated 1\nfrozen 0\n");
  auto cgroup = Cgroup::Open(layout_, kPath);
  EXPECT_TRUE(absl::IsDeadlineExceeded(cgroup->Kill(absl::Milliseconds(20))));
  EXPECT_EQ(Of("cgroup.kill"), "1");
  Put("vx-test/uid/cgroup.events", "populated 0\nfrozen 0\n");
  EXPECT_TRUE(cgroup->Kill(absl::Milliseconds(20)).ok());
}

TEST_F(V2Test, ItsProcessesAreListed) {
  PutInGroup("cgroup.procs", "12\n0\n345\n");
  EXPECT_THAT(Open()->Processes(), testing::ElementsAre(12, 345));
}

TEST_F(V1Test, ItsProcessesAreListed) {
  PutInGroup("cpu/cgroup.procs", "12\n345\n");
  EXPECT_THAT(Open()->Processes(), testing::ElementsAre(12, 345));
}

TEST_F(CgroupTest, WhatIsNotThereIsFineToEndAndToRemove) {
  CgroupLayout layout;
  layout.mode = CgroupMode::kV2;
  layout.unified = dir_.path();
  auto cgroup = Cgroup::Open(layout, kPath);
  EXPECT_FALSE(cgroup->Exists());
  EXPECT_TRUE(cgroup->Kill(absl::Seconds(1)).ok());
  EXPECT_TRUE(cgroup->Remove().ok());
  EXPECT_THAT(cgroup->Processes(), testing::IsEmpty());
  EXPECT_EQ(cgroup->OomKills(), 0);
  EXPECT_TRUE(absl::IsNotFound(cgroup->Usage().status()));
}

TEST_F(CgroupTest, TheLastGroupTakesItsParentAlong) {
  CgroupLayout layout;
  layout.mode = CgroupMode::kV2;
  layout.unified = dir_.path();
  ASSERT_TRUE(MakeDirs(dir_.path() + "/vx-test/one", 0755).ok());
  ASSERT_TRUE(MakeDirs(dir_.path() + "/vx-test/two", 0755).ok());
  EXPECT_TRUE(Cgroup::Open(layout, "/vx-test/one")->Remove().ok());
  EXPECT_TRUE(PathExists(dir_.path() + "/vx-test"));
  EXPECT_TRUE(Cgroup::Open(layout, "/vx-test/two")->Remove().ok());
  EXPECT_FALSE(PathExists(dir_.path() + "/vx-test"));
}

}  // namespace
}  // namespace vx::cgroup
