// Folders that stand in for the hierarchies: files of a group are put there before it
// is "made", as the kernel would.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "plugins/cgroup/cgroup.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::cgroup {

class CgroupTest : public testing::Test {
 protected:
  static constexpr char kPath[] = "/vx-test/uid";

  void Put(const std::string& file, const std::string& content = "") {
    const std::string path = dir_ / file;
    ASSERT_TRUE(MakeDirs(ParentOf(path), 0755).ok());
    ASSERT_TRUE(WriteFileAtomic(path, content, 0644).ok());
  }
  // What was written over it; a shorter value leaves the rest of a longer one, which
  // real files don't.
  std::string Get(const std::string& file) { return ReadFile(dir_ / file).value_or("<none>"); }

  // The error names the limit, the controller and what to do.
  static void ExpectRefused(const absl::Status& status, const std::string& limit,
                            const std::string& controller,
                            const std::string& reason = "CGROUP_CONTROLLERS") {
    EXPECT_EQ(ErrorReason(status), reason) << status;
    EXPECT_THAT(
        std::string(status.message()),
        testing::HasSubstr(absl::StrCat("limit ", limit, " (cgroup controller ", controller, ")")));
    EXPECT_NE(ErrorHint(status), "");
  }

  TempDir dir_;
};

class V1Test : public CgroupTest {
 protected:
  void SetUp() override {
    layout_.mode = CgroupMode::kV1;
    for (const char* name : {"memory", "cpu", "cpuacct", "pids"}) Mount(name);
    for (const char* file : {"memory/memory.limit_in_bytes", "cpu/cpu.shares",
                             "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "pids/pids.max"}) {
      PutInGroup(file);
    }
  }

  void Mount(const std::string& controller) {
    layout_.controllers[controller] = dir_ / controller;
    ASSERT_TRUE(MakeDirs(absl::StrCat(dir_ / controller, kPath), 0755).ok());
  }

  // "memory/NAME" in the group of that hierarchy.
  static std::string InGroup(const std::string& file) {
    const size_t slash = file.find('/');
    return absl::StrCat(file.substr(0, slash), kPath, file.substr(slash));
  }
  void PutInGroup(const std::string& file, const std::string& content = "") {
    Put(InGroup(file), content);
  }
  std::string Of(const std::string& file) { return Get(InGroup(file)); }

  std::unique_ptr<Cgroup> Open() { return Cgroup::Open(layout_, kPath); }

  CgroupLayout layout_;
};

class V2Test : public CgroupTest {
 protected:
  static constexpr char kControllers[] = "cpuset cpu io memory hugetlb pids rdma\n";

  void SetUp() override {
    layout_.mode = CgroupMode::kV2;
    layout_.unified = dir_.path();
    for (const char* folder : {"", "vx-test/", "vx-test/uid/"}) {
      Put(absl::StrCat(folder, "cgroup.controllers"), kControllers);
      Put(absl::StrCat(folder, "cgroup.subtree_control"));
    }
    for (const char* file :
         {"memory.max", "memory.swap.max", "cpu.max", "cpu.weight", "pids.max"}) {
      PutInGroup(file);
    }
  }

  void PutInGroup(const std::string& file, const std::string& content = "") {
    Put(absl::StrCat("vx-test/uid/", file), content);
  }
  std::string Of(const std::string& file) { return Get(absl::StrCat("vx-test/uid/", file)); }

  std::unique_ptr<Cgroup> Open() { return Cgroup::Open(layout_, kPath); }

  CgroupLayout layout_;
};

}  // namespace vx::cgroup
