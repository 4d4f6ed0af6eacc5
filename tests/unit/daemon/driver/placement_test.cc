// Where a workload's processes are put, over a folder that looks like cgroups.
#include "daemon/driver/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::driver {
namespace {

class PlacementTest : public testing::Test {
 protected:
  PlacementTest() {
    environment_.instance_id = "0123abcd";
    environment_.options["daemon.cgroup_parent"] = "/a.slice/w.scope";
  }

  void MakeUnified() {
    ASSERT_TRUE(MakeDirs(dir_ / "a.slice/w.scope", 0755).ok());
    ASSERT_TRUE(WriteFileAtomic(dir_ / "cgroup.controllers", "cpu\n", 0644).ok());
  }

  ProcessGroups Groups() const { return ProcessGroups(environment_, "shim", dir_.path()); }

  TempDir dir_;
  Environment environment_;
};

TEST_F(PlacementTest, EachWorkloadHasAGroupThatGoesWithIt) {
  MakeUnified();
  const std::string parent = dir_ / "a.slice/w.scope/vx-0123abcd-shim";
  EXPECT_EQ(*Groups().Make("u1"), absl::StrCat(parent, "/u1/cgroup.procs"));
  EXPECT_EQ(*Groups().Make("u1"), absl::StrCat(parent, "/u1/cgroup.procs"));
  ASSERT_TRUE(Groups().Make("u2").ok());
  EXPECT_TRUE(Groups().Remove("u1").ok());
  EXPECT_TRUE(Groups().Remove("u1").ok());
  EXPECT_FALSE(PathExists(parent + "/u1"));
  EXPECT_TRUE(PathExists(parent + "/u2"));
  EXPECT_TRUE(Groups().Remove("u2").ok());
  EXPECT_FALSE(PathExists(parent));
  EXPECT_TRUE(PathExists(dir_ / "a.slice/w.scope"));
}

TEST_F(PlacementTest, AProcessIsMovedIntoItsGroup) {
  MakeUnified();
  const std::string procs = *Groups().Make("u1");
  // In a real group the kernel makes it.
  ASSERT_TRUE(WriteFileAtomic(procs, "", 0644).ok());
  EXPECT_TRUE(Groups().Move("u1", 42).ok());
  EXPECT_EQ(*ReadFile(procs), "42");
}

TEST_F(PlacementTest, AParentThatIsNotThereIsToldWithARemedy) {
  ASSERT_TRUE(WriteFileAtomic(dir_ / "cgroup.controllers", "cpu\n", 0644).ok());
  const absl::Status status = Groups().Make("u1").status();
  EXPECT_EQ(ErrorReason(status), "NO_CGROUP");
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("/a.slice/w.scope/"));
  EXPECT_THAT(ErrorHint(status), testing::HasSubstr("systemctl restart vxd"));
  EXPECT_FALSE(PathExists(dir_ / "a.slice"));
}

TEST_F(PlacementTest, WithoutAParentNothingIsMoved) {
  MakeUnified();
  for (const char* parent : {"", "/"}) {
    environment_.options["daemon.cgroup_parent"] = parent;
    EXPECT_EQ(CgroupParent(environment_, dir_.path()), "");
    EXPECT_EQ(*Groups().Make("u1"), "");
    EXPECT_TRUE(Groups().Move("u1", 42).ok());
    EXPECT_TRUE(Groups().Remove("u1").ok());
  }
}

TEST_F(PlacementTest, OnCgroupV1NothingIsMoved) {
  ASSERT_TRUE(MakeDirs(dir_ / "a.slice/w.scope", 0755).ok());
  EXPECT_EQ(CgroupParent(environment_, dir_.path()), "");
  EXPECT_EQ(*Groups().Make("u1"), "");
}

}  // namespace
}  // namespace vx::driver
