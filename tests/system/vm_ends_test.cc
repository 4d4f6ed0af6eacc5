// Ends that are hard to see: a QEMU that dies before it lives, and a vxd that dies
// while it ends a workload.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

// --- A QEMU that dies at its start. ---

class QemuDiesTest : public OwnDaemonTest {
 protected:
  // A vxd whose emulator is a script that does `deed` instead of a VM, as long as
  // the file "ill" is there.
  void StartWith(const std::string& deed) {
    const std::string emulator = vx_.dir() + "/qemu";
    std::ofstream(emulator) << "#!/bin/sh\n"
                            << "case \"$*\" in *guest=*) [ ! -e " << ill() << " ] || " << deed
                            << ";; esac\nexec " << kQemu << " \"$@\"\n";
    chmod(emulator.c_str(), 0755);
    std::ofstream(ill()).put('\n');
    // A cache of its own, for an emulator that nobody has again.
    vx_.Start({.args = {"--set", "vm.emulator=" + emulator, "--set",
                        "vm.embed_cache=" + vx_.dir() + "/cache"}});
  }
  Result Vxctl(const Words& args) const { return vx_.Vxctl(args); }
  std::string ill() const { return vx_.dir() + "/ill"; }

  // Fails at once, after the probe: for what is dead and not gone libvirt would wait
  // for 40 s, or 80.
  Result RunFails() {
    const absl::Time begin = absl::Now();
    Result result = Vxctl({"run", "-d", "--name", "w", "--kind=vm", "busybox", "--", "true"});
    EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
    EXPECT_EQ(vx_.State("w"), "stopped");
    return result;
  }

  void ExpectWellAgain() {
    unlink(ill().c_str());
    EXPECT_THAT(Vxctl({"start", "w"}), Succeeds());
    EXPECT_THAT(Vxctl({"wait", "w", "--timeout", "60s"}), Succeeds());
    EXPECT_EQ(vx_.Inspect("w")["status"]["exit"]["code"], 0);
  }

  static constexpr char kQemu[] = "/usr/bin/qemu-system-x86_64";
};

TEST_F(QemuDiesTest, KilledWhileItIsStartedItFailsTheStartAtOnce) {
  StartWith("kill -9 $$");
  EXPECT_THAT(RunFails(), FailsSaying(1, {"libvirt cannot start the VM", "LIBVIRT_FAILED"}));
  ExpectWellAgain();
}

TEST_F(QemuDiesTest, OfABadArgumentItFailsTheStartInItsOwnWords) {
  StartWith(absl::StrCat("exec ", kQemu, " \"$@\" -no-such-option"));
  EXPECT_THAT(RunFails(), FailsSaying(1, {"-no-such-option: invalid option", "LIBVIRT_FAILED"}));
  ExpectWellAgain();
}

// --- A vxd that dies in the middle of a stop. ---

class StopDiesTest : public OwnDaemonTest, public testing::WithParamInterface<std::string> {
 protected:
  void RunDeaf(const std::string& kind) {
    vx_.Start();
    Result result =
        vx_.Vxctl({"run", "-d", "--kind=" + kind, "--name", "w", "--stop-grace", "2s", "busybox",
                   "--", "sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"});
    ASSERT_THAT(result, Succeeds()) << result;
    ASSERT_TRUE(vx_.WaitForLog("w", "up"));
    absl::StatusOr<UniqueFd> process = OpenPidfd(vx_.Inspect("w")["status"]["pid"]);
    ASSERT_TRUE(process.ok()) << process.status();
    process_ = *std::move(process);
  }

  // Begins a stop, and returns once vxd is at it.
  void BeginStop(const std::string& grace) {
    stop_ = vx_.VxctlInBackground({"stop", "-t", grace, "w"});
    ASSERT_TRUE(vx_.WaitForEvent("w", "\"state\":\"stopping\""));
  }

  void KillVxd() {
    vx_.Kill();
    stop_.reset();
  }

  bool ProcessEnds() const { return WaitPidfd(process_.get(), absl::Seconds(60)); }

  void ExpectKilledByUser() {
    ASSERT_THAT(vx_.Vxctl({"wait", "w", "--timeout", "60s"}), Succeeds());
    const Json exit = vx_.Inspect("w")["status"]["exit"];
    EXPECT_EQ(exit["reason"], "user") << exit;
    EXPECT_EQ(exit["code"], 137) << exit;
    EXPECT_EQ(exit["signal"], 9) << exit;
    EXPECT_TRUE(ProcessEnds());
  }

  UniqueFd process_;
  std::unique_ptr<Child> stop_;
};
VX_EACH_KIND(StopDiesTest);

TEST_P(StopDiesTest, AStopThatIsFinishedByTheNextVxdIsTheUsers) {
  RunDeaf(GetParam());
  BeginStop("6s");
  KillVxd();
  vx_.Start();
  ExpectKilledByUser();
}

TEST_P(StopDiesTest, SoIsOneWhoseWorkloadEndedAsVxdDied) {
  RunDeaf(GetParam());
  BeginStop("1s");
  EXPECT_TRUE(ProcessEnds());
  KillVxd();
  vx_.Start();
  ExpectKilledByUser();
}

class PowerCutTest : public StopDiesTest {
 protected:
  // A guest that hears nothing, not even its agent: only its power can be cut.
  void Freeze() { EXPECT_TRUE(SignalPidfd(process_.get(), SIGSTOP).ok()); }
};
INSTANTIATE_TEST_SUITE_P(Vm, PowerCutTest, testing::Values("vm"),
                         [](const auto& info) { return info.param; });

TEST_P(PowerCutTest, AsVxdDiesItIsTheUsers) {
  RunDeaf("vm");
  Freeze();
  BeginStop("0s");
  EXPECT_TRUE(ProcessEnds());
  KillVxd();
  vx_.Start();
  ExpectKilledByUser();
}

TEST_P(PowerCutTest, OfAGuestThatVxdDiedOnIsTheUsers) {
  RunDeaf("vm");
  Freeze();
  BeginStop("0s");
  KillVxd();
  // libvirt would wait for one that stands still.
  EXPECT_TRUE(SignalPidfd(process_.get(), SIGCONT).ok());
  vx_.Start();
  ExpectKilledByUser();
}

}  // namespace
}  // namespace vx::system_test
