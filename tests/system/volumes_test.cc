// Volumes as a user has them, on both kinds and on both at once.
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/sandbox.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

// Of a volume that a test made; removed with its workloads.
class VolumesTest : public EachKindTest {
 protected:
  void TearDown() override {
    vx().RemoveWorkloads();
    Vxctl({"volume", "prune", "-y"});
    EXPECT_EQ(Vxctl({"volume", "ls", "-q"}).out, "");
    EXPECT_THAT(*ListDir(vx().state_dir() + "/volumes"), testing::IsEmpty());
    EachKindTest::TearDown();
  }

  static std::string PathOf(const std::string& volume) {
    return vx().VxctlJson({"volume", "inspect", volume})["status"]["path"];
  }
};
VX_EACH_KIND(VolumesTest);

TEST_P(VolumesTest, WhatOneWorkloadWroteAnotherReads) {
  EXPECT_THAT(RunScript("echo hello > /data/f; chown 12:13 /data/f", {"-v", "data:/data"}),
              Succeeds());
  EXPECT_EQ(RunScript("cat /data/f; stat -c '%u %g' /data/f", {"-v", "data:/data"}).out,
            "hello\n12 13\n");
  EXPECT_EQ(*ReadFile(PathOf("data") + "/f"), "hello\n");
}

TEST_P(VolumesTest, AVolumeThatIsUsedStays) {
  RunDetached("user", "echo ready; sleep 1000", {"-v", "data:/data"});
  EXPECT_THAT(Vxctl({"volume", "rm", "data"}), FailsSaying(1, {"VOLUME_IN_USE", "user"}));
  EXPECT_EQ(Vxctl({"volume", "ls", "-q"}).out, "data\n");
  EXPECT_EQ(Vxctl({"volume", "prune", "-y"}).out, "removed 0 volumes\n");
  ASSERT_THAT(Vxctl({"rm", "-f", "user"}), Succeeds());
  EXPECT_THAT(Vxctl({"volume", "rm", "data"}), Succeeds());
}

TEST_P(VolumesTest, AFolderOfTheHostIsTheSameInside) {
  const std::string dir = vx().dir() + "/shared";
  ASSERT_TRUE(MakeDirs(dir, 0755).ok());
  ASSERT_TRUE(WriteFileAtomic(dir + "/f", "host\n", 0644).ok());
  EXPECT_EQ(RunScript("cat /m/f; echo inside > /m/g", {"-v", dir + ":/m"}).out, "host\n");
  EXPECT_EQ(*ReadFile(dir + "/g"), "inside\n");
  EXPECT_NE(RunScript("touch /m/h", {"-v", dir + ":/m:ro"}).code, 0);
  EXPECT_FALSE(PathExists(dir + "/h"));
}

TEST_P(VolumesTest, BadInputIsNamedAndLeavesNothing) {
  const auto create = [&](const std::string& volume) {
    return Vxctl({"create", kind_flag(), "--name", "bad", "-v", volume, "busybox"});
  };
  EXPECT_THAT(create("/nonexistent/x:/m"), FailsSaying(1, {"NO_SOURCE", "/nonexistent/x"}));
  EXPECT_THAT(create("Data:/m"), FailsSaying(1, {"--volume", "Data"}));
  EXPECT_THAT(create("data:/proc/x"), FailsSaying(1, {"--volume", "/proc/x"}));
  EXPECT_THAT(create("data:m"), FailsSaying(2, {"BAD_VOLUME"}));
  EXPECT_THAT(create("data:/m:subpath=../x"), FailsSaying(1, {"--volume", "../x"}));
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
  EXPECT_EQ(Vxctl({"volume", "ls", "-q"}).out, "") << "made for a workload that is not";
}

TEST_P(VolumesTest, AVolumeSurvivesTheDaemonAndSoDoesItsUser) {
  RunDetached("user", "while :; do date > /data/now; echo ready; sleep 0.2; done",
              {"-v", "data:/data"});
  ASSERT_TRUE(vx().WaitForLog("user", "ready"));
  const std::string path = PathOf("data");
  vx().Kill();
  vx().Start();
  EXPECT_EQ(vx().State("user"), "running");
  EXPECT_EQ(PathOf("data"), path);
  EXPECT_THAT(Vxctl({"exec", "user", "--", "sh", "-c", "echo still > /data/still"}), Succeeds());
  EXPECT_EQ(*ReadFile(path + "/still"), "still\n");
}

// Volumes on a btrfs in a file.
class FullVolumeTest : public EachKindTest {
 protected:
  void SetUp() override {
    EachKindTest::SetUp();
    point_ = vx().state_dir() + "/volumes";
    const std::string image = vx().dir() + "/btrfs";
    const std::string script = "truncate -s 200M " + image + " && mkfs.btrfs -q " + image +
                               " >/dev/null && mount -o loop " + image + " " + point_;
    const Result mounted = RunProgram({"sh", "-c", script});
    if (mounted.code != 0) GTEST_SKIP() << "no loop devices or btrfs here: " << mounted.err;
    mounted_ = true;
  }
  void TearDown() override {
    vx().RemoveWorkloads();
    Vxctl({"volume", "prune", "-y"});
    if (mounted_) {
      EXPECT_THAT(RunProgram({"umount", point_}), Succeeds());
    }
    (void)unlink((vx().dir() + "/btrfs").c_str());
    EachKindTest::TearDown();
  }

  std::string point_;
  bool mounted_ = false;
};
VX_EACH_KIND(FullVolumeTest);

TEST_P(FullVolumeTest, OnlyItsWorkloadIsToldThatItIsFull) {
  ASSERT_THAT(Vxctl({"volume", "create", "small", "--size", "20M", "--backend", "btrfs"}),
              Succeeds());
  const Result result = RunScript(
      "dd if=/dev/zero of=/data/big bs=1M count=40 conv=fsync || echo full; "
      "echo room > /root/f && cat /root/f; rm /data/big; echo again > /data/f && cat /data/f",
      {"-v", "small:/data"});
  EXPECT_EQ(result.out, "full\nroom\nagain\n") << result.err;
  // btrfs itself calls a full subvolume's quota exceeded.
  EXPECT_THAT(result.err, testing::AnyOf(HasSubstr("No space left"), HasSubstr("uota exceeded")));
  EXPECT_THAT(RunProgram({"dd", "if=/dev/zero", "of=" + point_ + "/room", "bs=1M", "count=30"}),
              Succeeds());
}

class SharedVolumeTest : public SharedDaemonTest {
 protected:
  static Words Run(const std::string& kind, const std::string& name, const std::string& script) {
    return {"run",  "-d",         "--kind=" + kind, "--name", name, "-v",
            "data:/data", "busybox", "--",     "sh", "-c", script};
  }
};

// Each appends to a file of its own and to one in turns, and looks at the other's.
TEST_F(SharedVolumeTest, AContainerAndAVmHaveItAtOnceWithTheSameContentsAndOwners) {
  const std::string script =
      "me=$NAME; other=$OTHER; "
      "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo $me $i >> /data/$me; sync /data/$me; done; "
      "chown $ID:$ID /data/$me; touch /data/$me.done; sync; "
      "until [ -e /data/$other.done ]; do sleep 0.1; done; "
      "md5sum < /data/$other; wc -l < /data/$other; stat -c '%u %g %a' /data/$other; sleep 1000";
  const auto start = [&](const std::string& kind, const std::string& other, const char* id) {
    Words words = Run(kind, kind, script);
    words.insert(words.begin() + 1, {"-e", "NAME=" + kind, "-e", "OTHER=" + other, "-e",
                                     absl::StrCat("ID=", id)});
    ASSERT_THAT(Vxctl(words), Succeeds());
  };
  start("vm", "container", "100");
  start("container", "vm", "200");
  ASSERT_TRUE(vx().WaitForLog("container", "100 100 644")) << vx().Logs("container");
  ASSERT_TRUE(vx().WaitForLog("vm", "200 200 644")) << vx().Logs("vm");
  EXPECT_THAT(vx().Logs("vm"), HasSubstr("20\n"));
  const std::string path = vx().VxctlJson({"volume", "inspect", "data"})["status"]["path"];
  for (const char* name : {"vm", "container"}) {
    const std::string sum = RunProgram({"sh", "-c", "md5sum < " + path + "/" + name}).out;
    EXPECT_THAT(vx().Logs(name == std::string("vm") ? "container" : "vm"), HasSubstr(sum));
  }
  // What is open is seen by the other at once.
  ASSERT_THAT(Vxctl({"exec", "container", "--", "sh", "-c", "echo late > /data/late"}), Succeeds());
  EXPECT_EQ(Vxctl({"exec", "vm", "--", "cat", "/data/late"}).out, "late\n");
  ASSERT_THAT(Vxctl({"exec", "vm", "--", "sh", "-c", "echo later > /data/late"}), Succeeds());
  EXPECT_EQ(Vxctl({"exec", "container", "--", "cat", "/data/late"}).out, "later\n");
  EXPECT_EQ(vx().RemoveWorkloads(), "");
  EXPECT_THAT(Vxctl({"volume", "rm", "data"}), Succeeds());
}

class BlockVolumeTest : public SharedDaemonTest {};

TEST_F(BlockVolumeTest, ADiskKeepsWhatOneVmAtATimeWrites) {
  for (const std::string format : {"raw", "qcow2"}) {
    ASSERT_THAT(Vxctl({"volume", "create", "disk", "--type", "block", "--size", "32M", "--format",
                       format}),
                Succeeds());
    EXPECT_THAT(Vxctl({"run", "--rm", "--kind=vm", "-v", "disk:/data", "busybox", "--", "sh", "-c",
                       "echo kept > /data/f; chown 9 /data/f"}),
                Succeeds());
    ASSERT_THAT(Vxctl({"run", "-d", "--kind=vm", "--name", "user", "-v", "disk:/data", "busybox",
                       "--", "sh", "-c", "cat /data/f; stat -c %u /data/f; "
                       "dd if=/dev/zero of=/data/big bs=1M count=100 2>&1 || echo full; sleep 1000"}),
                Succeeds());
    EXPECT_TRUE(vx().WaitForLog("user", "full")) << vx().Logs("user");
    EXPECT_THAT(vx().Logs("user"), HasSubstr("kept\n9\n"));
    EXPECT_THAT(vx().Logs("user"), HasSubstr("No space left"));
    EXPECT_THAT(Vxctl({"run", "--rm", "--kind=vm", "-v", "disk:/data", "busybox", "--", "true"}),
                FailsSaying(1, {"DISK_IN_USE", "user"}));
    EXPECT_THAT(Vxctl({"run", "--rm", "--kind=container", "-v", "disk:/data", "busybox"}),
                FailsSaying(1, {"BLOCK_NEEDS_VM", "disk"}));
    ASSERT_THAT(Vxctl({"rm", "-f", "user"}), Succeeds());
    struct stat st{};
    const std::string path = vx().VxctlJson({"volume", "inspect", "disk"})["status"]["path"];
    ASSERT_EQ(stat(path.c_str(), &st), 0);
    EXPECT_EQ(st.st_uid, 0u) << "it stayed its last VM's";
    ASSERT_THAT(Vxctl({"volume", "rm", "disk"}), Succeeds());
  }
}

class VolumeRightsTest : public SharedDaemonTest {};

TEST_F(VolumeRightsTest, AMemberOfTheGroupHasVolumesAndNoPathsOfTheHost) {
  constexpr int kNobody = 65534;
  const auto run = [&](const std::string& source) {
    return vx().VxctlAs(kNobody, kVxGroup, {"run", "--rm", "--kind=container", "-v",
                                            source + ":/m", "busybox", "--", "touch", "/m/x"});
  };
  EXPECT_THAT(run("data"), Succeeds());
  EXPECT_THAT(run("/etc"), FailsSaying(1, {"HOST_ACCESS"}));
  EXPECT_THAT(Vxctl({"volume", "rm", "data"}), Succeeds());
}

}  // namespace
}  // namespace vx::system_test
