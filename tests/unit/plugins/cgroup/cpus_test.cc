#include "plugins/cgroup/cpus.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::cgroup {
namespace {

TEST(CpusTest, AWeightIsWhatTheKernelTakesForTheSame) {
  for (const int64_t weight : {1, 39, 100, 101, 9999, 10000}) {
    const int64_t shares = ToShares(weight, CgroupMode::kV2);
    EXPECT_EQ(1 + (shares - 2) * 9999 / 262142, weight) << "by OCI's formula";
  }
  EXPECT_EQ(ToShares(100, CgroupMode::kHybrid), 1024);
  EXPECT_EQ(ToShares(1, CgroupMode::kV1), 10);
}

TEST(CpusTest, AQuotaIsNeverLessThanTheKernelTakes) {
  EXPECT_EQ(ToQuota(1.5), 150000);
  EXPECT_EQ(ToQuota(0.001), 1000);
}

TEST(CpusTest, ABindingIsLiftedToTheCpusAbove) {
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir.path() + "/vx/a", 0700).ok());
  auto write = [&](const std::string& file, const std::string& cpus) {
    ASSERT_TRUE(WriteFileAtomic(absl::StrCat(dir.path(), file), cpus, 0600).ok());
  };
  const CgroupLayout layout = {
      .mode = CgroupMode::kV1, .unified = "", .controllers = {{"cpuset", dir.path()}}};
  write("/vx/cpuset.cpus", "0-3\n");
  write("/vx/a/cpuset.cpus", "2\n");
  EXPECT_EQ(LiftedCpuset(layout, "/vx/a"), "0-3");
  write("/vx/a/cpuset.cpus", "0-3\n");
  EXPECT_EQ(LiftedCpuset(layout, "/vx/a"), "") << "it is bound to none";
  EXPECT_EQ(LiftedCpuset({.mode = CgroupMode::kV1}, "/vx/a"), "") << "no controller";
}

}  // namespace
}  // namespace vx::cgroup
