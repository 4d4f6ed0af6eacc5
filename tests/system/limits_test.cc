// Limits hold.
#include <filesystem>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

class LimitsTest : public EachKindTest {};
VX_EACH_KIND(LimitsTest);

TEST_P(LimitsTest, AMemoryHogEndsAsOutOfMemory) {
  Result result = Vxctl({"run", "-d", kind_flag(), "--name", "hog", "-m", "96M", "busybox", "--",
                         "tail", "/dev/zero"});
  ASSERT_THAT(result, Succeeds()) << result;
  ASSERT_THAT(Vxctl({"wait", "hog", "--timeout", "90s"}), Succeeds());
  Json exit = vx().Inspect("hog")["status"]["exit"];
  EXPECT_EQ(exit["reason"], "oom") << exit;
  EXPECT_EQ(exit["code"], 137) << exit;
}

TEST_P(LimitsTest, TheSpecShowsThem) {
  RunDetached("w", "sleep 600", {"-m", "128M", "--cpus", "1"});
  Json resources = vx().Inspect("w")["spec"]["resources"];
  EXPECT_EQ(resources["memoryBytes"], 128 << 20);
  EXPECT_EQ(resources["cpus"], 1.0);
}

// A container's alone: what a guest's kernel kills inside is not told to the host.
class KilledPartTest : public OwnDaemonTest {
 protected:
  void RunWithHogs() {
    vx_.Start();
    Result result = vx_.Vxctl({"run", "-d", "--kind=container", "--name", "w", "-m", "32M",
                               "busybox", "--", "sh", "-c",
                               "mkfifo /hog; echo up; while :; do read x </hog; tail /dev/zero; "
                               "echo hog $x is gone; done"});
    ASSERT_THAT(result, Succeeds()) << result;
    ASSERT_TRUE(vx_.WaitForLog("w", "up"));
  }

  // Returns when vxd has told that, all in all, so much was killed.
  void LetOneBeKilled(const std::string& name, const std::string& message) {
    ASSERT_THAT(vx_.Vxctl({"exec", "w", "--", "sh", "-c", "echo " + name + " >/hog"}), Succeeds());
    ASSERT_TRUE(vx_.WaitForLog("w", "hog " + name + " is gone"));
    ASSERT_TRUE(vx_.WaitForEvent("w", message));
    ExpectRunning(message);
  }

  void ExpectRunning(const std::string& message) {
    const Json status = vx_.Inspect("w")["status"];
    EXPECT_EQ(status["state"], "running") << status;
    EXPECT_EQ(status["message"], message) << status;
  }

  static constexpr char kOne[] = "1 of its processes was killed: out of memory";
  static constexpr char kTwo[] = "2 of its processes were killed: out of memory";
};

TEST_F(KilledPartTest, IsSaidWhileTheContainerRunsOnAndByTheNextVxdToo) {
  RunWithHogs();
  LetOneBeKilled("first", kOne);
  vx_.Kill();
  vx_.Start();
  ExpectRunning(kOne);
  LetOneBeKilled("second", kTwo);
}

TEST_F(KilledPartTest, IsStillSaidAfterAPause) {
  RunWithHogs();
  LetOneBeKilled("first", kOne);
  ASSERT_THAT(vx_.Vxctl({"pause", "w"}), Succeeds());
  ASSERT_THAT(vx_.Vxctl({"resume", "w"}), Succeeds());
  ExpectRunning(kOne);
}

TEST_F(KilledPartTest, IsForgottenByTheNextRun) {
  RunWithHogs();
  LetOneBeKilled("first", kOne);
  ASSERT_THAT(vx_.Vxctl({"restart", "-t", "0s", "w"}), Succeeds());
  ExpectRunning("");
}

class GuestLimitsTest : public SharedDaemonTest {};

int64_t MemTotalKiB(const std::string& meminfo) {
  for (absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    if (!absl::ConsumePrefix(&line, "MemTotal:")) continue;
    int64_t kib = 0;
    EXPECT_TRUE(absl::SimpleAtoi(absl::StripSuffix(line, "kB"), &kib));
    return kib;
  }
  return 0;
}

TEST_F(GuestLimitsTest, AGuestSeesItsMemory) {
  for (int mib : {128, 256}) {
    Result result = Vxctl({"run", "--rm", "--kind=vm", "-m", absl::StrCat(mib, "M"), "busybox",
                           "--", "cat", "/proc/meminfo"});
    ASSERT_THAT(result, Succeeds()) << result;
    // The kernel keeps some for itself.
    EXPECT_LE(MemTotalKiB(result.out), mib * 1024);
    EXPECT_GE(MemTotalKiB(result.out), (mib - 48) * 1024);
  }
}

TEST_F(GuestLimitsTest, AGuestSeesItsCpus) {
  Result result = Vxctl({"run", "--rm", "--kind=vm", "--cpus", "2", "busybox", "--", "nproc"});
  EXPECT_EQ(result.out, "2\n") << result;
}

class CgroupTest : public SharedDaemonTest {
 protected:
  // Content of the control file that this host's cgroup version has, of the
  // process's cgroup.
  static std::string Control(int64_t pid, const std::string& v1_controller,
                             const std::string& v1_file, const std::string& v2_file) {
    absl::StatusOr<std::string> groups = ReadFile(absl::StrCat("/proc/", pid, "/cgroup"));
    if (!groups.ok()) return std::string(groups.status().message());
    std::string v2;
    for (absl::string_view line : absl::StrSplit(*groups, '\n', absl::SkipEmpty())) {
      std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
      std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
      for (const std::string& c : controllers) {
        if (c == v1_controller)
          return Read(absl::StrCat("/sys/fs/cgroup/", c, fields[2], "/", v1_file));
      }
      if (fields[0] == "0") v2 = absl::StrCat("/sys/fs/cgroup", fields[2], "/", v2_file);
    }
    return Read(v2);
  }

 private:
  static std::string Read(const std::string& path) {
    absl::StatusOr<std::string> text = ReadFile(path);
    return text.ok() ? std::string(absl::StripTrailingAsciiWhitespace(*text))
                     : std::string(text.status().message());
  }
};

TEST_F(CgroupTest, AContainersCgroupHoldsItsLimits) {
  Result result = Vxctl({"run", "-d", "--kind=container", "--name", "w", "-m", "64M", "--cpus",
                         "0.5", "--pids", "50", "busybox", "--", "sleep", "600"});
  ASSERT_THAT(result, Succeeds()) << result;
  int64_t pid = vx().Inspect("w")["status"]["pid"];
  EXPECT_EQ(Control(pid, "memory", "memory.limit_in_bytes", "memory.max"), "67108864");
  EXPECT_EQ(Control(pid, "pids", "pids.max", "pids.max"), "50");
  EXPECT_THAT(Control(pid, "cpu", "cpu.cfs_quota_us", "cpu.max"),
              testing::AnyOf("50000", "50000 100000"));
}

TEST_F(CgroupTest, AContainerCantForkPastItsLimit) {
  Result result = Vxctl({"run", "--rm", "--kind=container", "--pids", "10", "busybox", "--", "sh",
                         "-c", "for i in $(seq 1 30); do sleep 30 & done; echo all"});
  EXPECT_NE(result.code, 0) << result;
  EXPECT_EQ(result.out, "") << result;
}

}  // namespace
}  // namespace vx::system_test
