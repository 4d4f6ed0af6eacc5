// Deaths of what carries a workload: its shim, its QEMU, its first process. What vxd
// says is right soon after, with the reason.
#include <csignal>

#include "absl/strings/str_cat.h"
#include "daemon/base/pidfd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

// As gosu does: another user's, and so without the signal that a parent's death sends.
constexpr char kGosu[] = "exec su -s /bin/sh nobody -c 'echo up as $(id -un); exec sleep 1000'";

constexpr char kShimDied[] = "its vx-shim died, so it was ended";

class DeathsTest : public OwnDaemonTest, public testing::WithParamInterface<std::string> {
 protected:
  void Run(const std::string& script) {
    vx_.Start();
    ASSERT_THAT(vx_.Vxctl({"run", "-d", "--kind=" + GetParam(), "--name", "w", "busybox", "--",
                           "sh", "-c", script}),
                Succeeds());
    ASSERT_TRUE(vx_.WaitForLog("w", "up"));
    const Json status = vx_.Inspect("w")["status"];
    process_ = Open(status["pid"]);
    shim_ = Open(status["shimPid"]);
  }
  static UniqueFd Open(int64_t pid) {
    absl::StatusOr<UniqueFd> pidfd = OpenPidfd(static_cast<pid_t>(pid));
    EXPECT_TRUE(pidfd.ok()) << pidfd.status();
    return pidfd.ok() ? *std::move(pidfd) : UniqueFd();
  }
  static void Kill(const UniqueFd& process) {
    ASSERT_TRUE(SignalPidfd(process.get(), SIGKILL).ok());
    EXPECT_TRUE(WaitPidfd(process.get(), absl::Seconds(30)));
  }
  bool Runs() const { return !WaitPidfd(process_.get(), absl::ZeroDuration()); }

  void ExpectCrashed(int code, const std::string& message) {
    EXPECT_TRUE(WaitPidfd(process_.get(), absl::Seconds(30))) << "it runs unseen";
    ASSERT_THAT(vx_.Vxctl({"wait", "w", "--timeout", "30s"}), Succeeds());
    const Json status = vx_.Inspect("w")["status"];
    EXPECT_EQ(status["state"], "stopped") << status;
    EXPECT_EQ(status["exit"]["code"], code) << status;
    EXPECT_EQ(status["exit"]["reason"], "crashed") << status;
    EXPECT_EQ(status["exit"]["message"], message) << status;
    EXPECT_THAT(vx_.Vxctl({"start", "w"}), Succeeds());
    EXPECT_TRUE(vx_.WaitForLog("w", "up"));
  }

  UniqueFd process_;
  UniqueFd shim_;
};
VX_EACH_KIND(DeathsTest);

TEST_P(DeathsTest, OfItsFirstProcessOrQemuIsACrash) {
  Run("echo up; exec sleep 1000");
  Kill(process_);
  GetParam() == "vm" ? ExpectCrashed(-1, "the machine ended before its command did")
                     : ExpectCrashed(137, "killed by SIGKILL");
}

TEST_P(DeathsTest, OfItsShimTakesItAlong) {
  Run("echo up; exec sleep 1000");
  Kill(shim_);
  ExpectCrashed(-1, kShimDied);
}

TEST_P(DeathsTest, OfItsShimTakesItAlongWhateverUserItBecame) {
  Run(kGosu);
  EXPECT_EQ(vx_.Logs("w"), "up as nobody\n");
  Kill(shim_);
  ExpectCrashed(-1, kShimDied);
}

TEST_P(DeathsTest, OfItsShimWhileVxdIsDeadToo) {
  Run(kGosu);
  vx_.Kill();
  Kill(shim_);
  vx_.Start();
  ExpectCrashed(-1, kShimDied);
}

TEST_P(DeathsTest, OfShimAndVxdAndItself) {
  Run("echo up; exec sleep 1000");
  vx_.Kill();
  Kill(process_);
  Kill(shim_);
  vx_.Start();
  const Json status = vx_.Inspect("w")["status"];
  ASSERT_THAT(vx_.Vxctl({"wait", "w", "--timeout", "30s"}), Succeeds());
  EXPECT_EQ(vx_.State("w"), "stopped");
}

}  // namespace
}  // namespace vx::system_test
