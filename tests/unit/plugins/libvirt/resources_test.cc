#include "plugins/libvirt/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vx::libvirt {
namespace {

using cgroup::CgroupMode;
using ::testing::Optional;

constexpr int64_t kMiB = 1 << 20;

TEST(ResourcesTest, AGuestWithoutASpecGetsTheDefaults) {
  EXPECT_EQ(GuestMemory({}), 512 * kMiB);
  EXPECT_EQ(VirtualCpus({}), 1);
}

TEST(ResourcesTest, QemuIsBoundAboveItsGuestsMemory) {
  v1::Resources resources;
  resources.set_memory_bytes(640 * kMiB);
  EXPECT_THAT(OwnLimits(resources).memory_bytes, Optional((640 + 10 + 512) * kMiB));
}

TEST(ResourcesTest, AFractionOfACpuIsAWholeOneAndAQuota) {
  v1::Resources resources;
  resources.set_cpus(1.5);
  EXPECT_EQ(VirtualCpus(resources), 2);
  EXPECT_THAT(TimeLimit(resources, 2).cpu_quota, Optional(150000));
  EXPECT_THAT(TimeLimit(resources, 1).cpu_quota, Optional(-1)) << "its processors bound it";
}

TEST(ResourcesTest, FewerCpusThanProcessorsAreHeldByTime) {
  v1::Resources resources;
  resources.set_cpus(1);
  EXPECT_THAT(TimeLimit(resources, 4).cpu_quota, Optional(100000));
  EXPECT_THAT(TimeLimit({}, 4).cpu_quota, Optional(100000)) << "the default is one";
}

TEST(ResourcesTest, AWeightThatIsLeftOutIsTheDefaultAgain) {
  v1::Resources resources;
  EXPECT_THAT(AskedLimits(resources, CgroupMode::kHybrid).cpu_shares, Optional(1024));
  resources.set_cpu_weight(50);
  resources.set_cpuset("1-2");
  EXPECT_THAT(AskedLimits(resources, CgroupMode::kHybrid).cpu_shares, Optional(512));
  EXPECT_EQ(AskedLimits(resources, CgroupMode::kV2).cpus, "1-2");
}

}  // namespace
}  // namespace vx::libvirt
