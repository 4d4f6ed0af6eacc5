// Volumes and folders of the host: the same inside, on every kind.
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::MountSource;
using testing::HasSubstr;

class Mounts : public ContractTest {
 protected:
  void SetUp() override {
    if (!Subject::Get().real()) GTEST_SKIP() << "mounts nothing";
    dir_ = Subject::Get().settings().work_dir + "/volume";
    VX_ASSERT_OK(RemoveTree(dir_));
    VX_ASSERT_OK(MakeDirs(dir_, 0755));
  }
  void TearDown() override {
    ContractTest::TearDown();
    if (!dir_.empty()) VX_EXPECT_OK(RemoveTree(dir_));
  }

  // What `script` says inside, with `mounts` from `sources`.
  std::string Run(const std::string& script, const std::vector<v1::Mount>& mounts,
                  const std::vector<MountSource>& sources) {
    v1::Workload workload = NewWorkload(Behaviour::kTrue);
    v1::WorkloadSpec* spec = workload.mutable_spec();
    spec->clear_command();
    for (const std::string& word : {std::string("sh"), std::string("-c"), script}) {
      spec->add_command(word);
    }
    for (const v1::Mount& mount : mounts) *spec->add_mounts() = mount;
    Prepare(workload);
    observations().Forget(workload.uid());
    auto created = driver().Create(workload, sources);
    EXPECT_TRUE(created.ok()) << created.status();
    if (!created.ok()) return "";
    Start(workload);
    EXPECT_EQ(WaitForEnd(workload.uid()).code(), 0);
    const Output output = OutputOf(workload.uid());
    VX_EXPECT_OK(driver().Delete(workload.uid()));
    return output.out + output.err;
  }
  std::string Run(const std::string& script, const v1::Mount& mount) {
    return Run(script, {mount}, {{.path = dir_, .is_volume = true}});
  }

  static v1::Mount At(const std::string& target) {
    v1::Mount mount;
    mount.set_source("data");
    mount.set_target(target);
    return mount;
  }

  std::string dir_;
};

TEST_F(Mounts, OwnersInsideAreThoseOnDisk) {
  VX_ASSERT_OK(WriteFileAtomic(dir_ + "/before", "host\n", 0644));
  ASSERT_EQ(chown((dir_ + "/before").c_str(), 1000, 1001), 0);
  const std::string said =
      Run("stat -c '%u %g' /data/before; cat /data/before; echo inside > /data/mine; "
          "echo x > /data/theirs; chown 7:8 /data/theirs; sync",
          At("/data"));
  EXPECT_EQ(said, "1000 1001\nhost\n");
  struct stat mine{}, theirs{};
  ASSERT_EQ(stat((dir_ + "/mine").c_str(), &mine), 0);
  ASSERT_EQ(stat((dir_ + "/theirs").c_str(), &theirs), 0);
  EXPECT_EQ(mine.st_uid, 0u);
  EXPECT_EQ(theirs.st_uid, 7u);
  EXPECT_EQ(theirs.st_gid, 8u);
  EXPECT_EQ(*ReadFile(dir_ + "/mine"), "inside\n");
}

TEST_F(Mounts, WhatIsReadOnlyStaysSoWhateverRootInsideTries) {
  v1::Mount mount = At("/data");
  mount.set_read_only(true);
  const std::string said = Run(
      "mount -o remount,rw /data 2>/dev/null; touch /data/x 2>/dev/null || echo refused", mount);
  EXPECT_EQ(said, "refused\n");
  EXPECT_FALSE(PathExists(dir_ + "/x"));
}

TEST_F(Mounts, ASubpathIsMadeAndIsAllThatIsSeen) {
  VX_ASSERT_OK(WriteFileAtomic(dir_ + "/secret", "", 0644));
  v1::Mount mount = At("/data");
  mount.set_subpath("a/b");
  EXPECT_EQ(Run("ls -A /data; ls -A /data/..; touch /data/x", mount).find("secret"),
            std::string::npos);
  EXPECT_TRUE(PathExists(dir_ + "/a/b/x"));
}

TEST_F(Mounts, NoLinkOfAVolumeLeadsOutOfIt) {
  const std::string outside = Subject::Get().settings().work_dir + "/outside";
  VX_ASSERT_OK(MakeDirs(outside, 0755));
  ASSERT_EQ(symlink(outside.c_str(), (dir_ + "/link").c_str()), 0);
  VX_ASSERT_OK(MakeDirs(dir_ + outside, 0755));
  v1::Mount mount = At("/data");
  mount.set_subpath("link");
  Run("touch /data/x", mount);
  EXPECT_FALSE(PathExists(outside + "/x"));
  EXPECT_TRUE(PathExists(dir_ + outside + "/x")) << "in the volume it is followed";
  VX_EXPECT_OK(RemoveTree(outside));
}

TEST_F(Mounts, ANewVolumeGetsWhatTheImageHasThereAndAUsedOneDoesNot) {
  const std::string first = Run("ls /etc/passwd; rm /etc/passwd; touch /etc/mine; sync", At("/etc"));
  EXPECT_EQ(first, "/etc/passwd\n");
  EXPECT_TRUE(PathExists(dir_ + "/group"));
  EXPECT_EQ(Run("ls /etc/passwd 2>/dev/null || echo gone; ls /etc/mine", At("/etc")),
            "gone\n/etc/mine\n");
}

TEST_F(Mounts, AVolumeThatIsNotToBeFilledStaysEmpty) {
  v1::Mount mount = At("/etc");
  mount.set_no_copy(true);
  EXPECT_EQ(Run("ls -A /etc | wc -l", mount), "0\n");
}

TEST_F(Mounts, AFolderOfTheHostIsNotFilled) {
  EXPECT_EQ(Run("ls -A /etc | wc -l", {At("/etc")}, {{.path = dir_}}), "0\n");
}

TEST_F(Mounts, SeveralLieInOneAnotherWithMemory) {
  VX_ASSERT_OK(MakeDirs(dir_ + "/one", 0755));
  VX_ASSERT_OK(MakeDirs(dir_ + "/two", 0755));
  const std::string said = Run("touch /d/x /d/in/y; ls /d /d/in", {At("/d/in"), At("/d")},
                               {{.path = dir_ + "/two", .is_volume = true},
                                {.path = dir_ + "/one", .is_volume = true}});
  EXPECT_THAT(said, HasSubstr("x"));
  EXPECT_TRUE(PathExists(dir_ + "/one/x"));
  EXPECT_TRUE(PathExists(dir_ + "/two/y"));
  EXPECT_FALSE(PathExists(dir_ + "/one/y"));
}

TEST_F(Mounts, AMountWithoutASourceIsRefused) {
  v1::Workload workload = NewWorkload(Behaviour::kTrue);
  *workload.mutable_spec()->add_mounts() = At("/data");
  Prepare(workload);
  EXPECT_THAT(driver().Create(workload, {}).status(),
              IsError(absl::StatusCode::kInternal, "NO_SOURCES"));
}

}  // namespace
}  // namespace vx::contract
