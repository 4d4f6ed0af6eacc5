#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "plugins/container/runtime/config_parts.h"

namespace vx::container {
namespace {

using testing::HasSubstr;
using testing::Optional;

absl::StatusOr<cgroup::CgroupLimits> Parse(const Json& resources) {
  cgroup::CgroupLimits limits;
  absl::Status status = ParseResources(resources, limits);
  if (!status.ok()) return status;
  return limits;
}

TEST(ConfigResources, AllOfOciIsRead) {
  auto limits = Parse(Json::parse(R"({
    "memory": {"limit": 536870912, "reservation": 1, "swap": -1, "kernel": -1, "kernelTCP": 3,
               "swappiness": 0, "disableOOMKiller": false, "useHierarchy": true,
               "checkBeforeUpdate": true},
    "cpu": {"shares": 1024, "quota": -1, "burst": 1000, "period": 500000, "realtimeRuntime": 95,
            "realtimePeriod": 100, "cpus": "2-3", "mems": "0-7", "idle": 1},
    "pids": {"limit": 7},
    "blockIO": {"weight": 10, "leafWeight": 1000,
                "weightDevice": [{"major": 8, "minor": 0, "weight": 500, "leafWeight": 300}],
                "throttleReadBpsDevice": [{"major": 8, "minor": 1, "rate": 600}],
                "throttleWriteBpsDevice": [{"major": 8, "minor": 2, "rate": 18446744073709551615}],
                "throttleReadIOPSDevice": [{"major": 8, "minor": 3, "rate": 0}],
                "throttleWriteIOPSDevice": [{"major": 8, "minor": 4, "rate": 9}]},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 209715200}, {"pageSize": "64KB", "limit": 1}],
    "devices": [{"allow": false, "access": "rwm"}, {"allow": false},
                {"allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw"},
                {"allow": true, "type": "b", "major": 8, "access": "m"}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3}, "mlx4_0": {"hcaObjects": 1000}},
    "unified": {"io.max": "259:0 rbps=2097152", "cgroup.max.depth": "2"}})"));
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_THAT(limits->memory_bytes, Optional(536870912));
  EXPECT_THAT(limits->memory_reservation_bytes, Optional(1));
  EXPECT_THAT(limits->memory_swap_bytes, Optional(-1));
  EXPECT_THAT(limits->kernel_memory_bytes, Optional(-1));
  EXPECT_THAT(limits->kernel_tcp_memory_bytes, Optional(3));
  EXPECT_THAT(limits->swappiness, Optional(0));
  EXPECT_THAT(limits->disable_oom_killer, Optional(false));
  EXPECT_THAT(limits->use_hierarchy, Optional(true));
  EXPECT_TRUE(limits->memory_check_before_update);
  EXPECT_THAT(limits->cpu_shares, Optional(1024));
  EXPECT_THAT(limits->cpu_quota, Optional(-1));
  EXPECT_THAT(limits->cpu_burst, Optional(1000));
  EXPECT_THAT(limits->cpu_period, Optional(500000));
  EXPECT_THAT(limits->cpu_rt_runtime, Optional(95));
  EXPECT_THAT(limits->cpu_rt_period, Optional(100));
  EXPECT_THAT(limits->cpu_idle, Optional(1));
  EXPECT_EQ(limits->cpus, "2-3");
  EXPECT_EQ(limits->mems, "0-7");
  EXPECT_THAT(limits->pids, Optional(7));
  const cgroup::BlockLimits& block = limits->block;
  EXPECT_THAT(block.weight, Optional(10));
  EXPECT_THAT(block.leaf_weight, Optional(1000));
  ASSERT_EQ(block.weights.size(), 1u);
  EXPECT_THAT(block.weights[0].weight, Optional(500));
  EXPECT_THAT(block.weights[0].leaf_weight, Optional(300));
  EXPECT_EQ(block.read_bps.at(0).device.minor, 1);
  EXPECT_EQ(block.read_bps.at(0).rate, 600u);
  EXPECT_EQ(block.write_bps.at(0).rate, UINT64_MAX);
  EXPECT_EQ(block.read_iops.at(0).device.minor, 3);
  EXPECT_EQ(block.write_iops.at(0).device.minor, 4);
  EXPECT_EQ(limits->hugepages, (std::map<std::string, uint64_t>{{"2MB", 209715200}, {"64KB", 1}}));
  using cgroup::DeviceRule;
  EXPECT_EQ(limits->devices,
            (std::vector<DeviceRule>{{false, 'a', -1, -1, cgroup::kAnyAccess},
                                     {false, 'a', -1, -1, cgroup::kAnyAccess},
                                     {true, 'c', 10, 229, cgroup::kRead | cgroup::kWrite},
                                     {true, 'b', 8, -1, cgroup::kMknod}}));
  EXPECT_THAT(limits->network_class, Optional(1048577u));
  EXPECT_EQ(limits->network_priorities.at("eth0"), 500u);
  EXPECT_THAT(limits->rdma.at("mlx5_1").handles, Optional(3u));
  EXPECT_EQ(limits->rdma.at("mlx5_1").objects, std::nullopt);
  EXPECT_THAT(limits->rdma.at("mlx4_0").objects, Optional(1000u));
  EXPECT_EQ(limits->unified.at("io.max"), "259:0 rbps=2097152");
}

TEST(ConfigResources, WhatIsMissingOrNullIsNotGiven) {
  auto limits = Parse(Json::parse(R"({"memory": {"limit": null}, "cpu": null, "pids": {}})"));
  ASSERT_TRUE(limits.ok()) << limits.status();
  EXPECT_EQ(limits->memory_bytes, std::nullopt);
  EXPECT_EQ(limits->pids, std::nullopt);
  EXPECT_TRUE(limits->devices.empty());
}

TEST(ConfigResources, ARefusalNamesTheField) {
  const std::pair<const char*, const char*> refusals[] = {
      {R"([])", "linux.resources is not an object"},
      {R"({"memory": 7})", "linux.resources.memory is not an object"},
      {R"({"memory": {"limit": -2}})", "linux.resources.memory.limit is -2"},
      {R"({"memory": {"swappiness": 101}})", "linux.resources.memory.swappiness"},
      {R"({"memory": {"disableOOMKiller": 1}})", "linux.resources.memory.disableOOMKiller"},
      {R"({"cpu": {"idle": 2}})", "linux.resources.cpu.idle"},
      {R"({"cpu": {"cpus": 0}})", "linux.resources.cpu.cpus"},
      {R"({"pids": {"limit": "x"}})", "linux.resources.pids.limit"},
      {R"({"blockIO": {"weight": 9}})", "linux.resources.blockIO.weight"},
      {R"({"blockIO": {"weightDevice": [{"major": 8}]}})",
       "linux.resources.blockIO.weightDevice[0] lacks"},
      {R"({"blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": -1}]}})",
       "throttleReadBpsDevice[0].rate"},
      {R"({"hugepageLimits": [{"pageSize": "../2MB", "limit": 1}]})", "hugepageLimits[0].pageSize"},
      {R"({"hugepageLimits": [{"pageSize": "2MB"}]})", "hugepageLimits[0].limit"},
      {R"({"devices": [{}]})", "devices[0].allow"},
      {R"({"devices": [{"allow": true, "type": "p"}]})", "devices[0].type"},
      {R"({"devices": [{"allow": true, "access": "rx"}]})", "devices[0].access"},
      {R"({"devices": [{"allow": true, "major": -2}]})", "devices[0].major"},
      {R"({"network": {"classID": -1}})", "linux.resources.network.classID"},
      {R"({"network": {"priorities": [{"name": "a b", "priority": 1}]}})", "priorities[0].name"},
      {R"({"rdma": {"mlx5_0": {}}})", "linux.resources.rdma.mlx5_0 has neither"},
      {R"({"unified": {"a/b": "1"}})", "linux.resources.unified.a/b holds a slash"},
      {R"({"unified": {"memory.high": 1}})", "linux.resources.unified.memory.high"}};
  for (const auto& [text, field] : refusals) {
    const absl::Status status = Parse(Json::parse(text)).status();
    EXPECT_EQ(ErrorReason(status), "BAD_CONFIG") << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr(field)) << text;
  }
}

}  // namespace
}  // namespace vx::container
