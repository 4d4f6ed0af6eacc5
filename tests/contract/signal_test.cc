// Stop, Kill, Pause and Resume.
#include <signal.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;

constexpr absl::Duration kLongGrace = absl::Seconds(60);

class Signals : public ContractTest {
 protected:
  void ExpectKilled(const std::string& uid) {
    EXPECT_EQ(PresenceOf(uid), Presence::kExited);
    const v1::Exit exit = ExitOf(uid);
    EXPECT_EQ(exit.code(), 128 + SIGKILL);
    EXPECT_EQ(exit.signal(), SIGKILL);
    EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED);
  }
};

// Number of the last tick of an output; 0 when there is none.
int64_t LastTick(const Output& output) {
  int64_t tick = 0;
  const std::vector<std::string> lines = Lines(output.out);
  if (!lines.empty() && !absl::SimpleAtoi(lines.back().substr(5), &tick)) return 0;
  return tick;
}

TEST_F(Signals, StopSendsTheSignalOfTheSpecAndLeavesTheEndToTheCommand) {
  v1::Workload workload = NewWorkload(Behaviour::kEndsOnUsr2);
  workload.mutable_spec()->set_stop_signal("SIGUSR2");
  Prepare(workload);
  Create(workload);
  Start(workload);
  WaitForOutput(workload.uid(), "ready");
  VX_ASSERT_OK(driver().Stop(workload.uid(), kLongGrace));
  EXPECT_EQ(PresenceOf(workload.uid()), Presence::kExited);
  EXPECT_EQ(ExitOf(workload.uid()).code(), 4);
  EXPECT_EQ(ExitOf(workload.uid()).reason(), v1::EXIT_REASON_EXITED);
}

TEST_F(Signals, StopKillsOnceTheGraceIsOver) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  const absl::Time before = absl::Now();
  VX_ASSERT_OK(driver().Stop(workload.uid(), absl::Seconds(1)));
  EXPECT_GE(absl::Now() - before, absl::Milliseconds(990)) << "the grace was cut";
  ExpectKilled(workload.uid());
}

TEST_F(Signals, ACancelledStopLeavesTheRunGoing) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_TRUE(absl::IsCancelled(driver().Stop(workload.uid(), kLongGrace, cancellation)));
  EXPECT_EQ(PresenceOf(workload.uid()), Presence::kRunning);
}

TEST_F(Signals, ACancelledStartReturnsAndLeavesARunToDelete) {
  const v1::Workload workload = NewWorkload(Behaviour::kForever);
  Prepare(workload);
  Create(workload);
  Cancellation cancellation;
  cancellation.Cancel();
  const absl::Status status = driver().Start(workload.uid(), cancellation);
  // One that is quick may have started it all the same.
  EXPECT_TRUE(status.ok() || absl::IsCancelled(status)) << status;
  VX_ASSERT_OK(driver().Delete(workload.uid()));
  EXPECT_EQ(PresenceOf(workload.uid()), Presence::kPrepared);
}

TEST_F(Signals, ASignalReachesTheCommandAndSigkillEndsIt) {
  const v1::Workload workload = LaunchUntil(Behaviour::kAnswersUsr1, "ready");
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGUSR1));
  WaitForOutput(workload.uid(), "usr1");
  EXPECT_EQ(PresenceOf(workload.uid()), Presence::kRunning);
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGKILL));
  ExpectKilled(workload.uid());
  EXPECT_THAT(driver().Kill(workload.uid(), SIGKILL), IsNotRunning());
}

TEST_F(Signals, APausedRunStandsStillAndGoesOnWhereItWas) {
  const v1::Workload workload = LaunchUntil(Behaviour::kTicks, "tick 3\n");
  const std::string& uid = workload.uid();
  VX_ASSERT_OK(driver().Pause(uid));
  EXPECT_EQ(PresenceOf(uid), Presence::kPaused);
  EXPECT_EQ(ListedPresenceOf(uid), Presence::kPaused);
  VX_ASSERT_OK(driver().Pause(uid));

  // What was on its way when the run froze may still come; after that, nothing.
  // That nothing happens is all that can be waited for.
  absl::Notification never;
  never.WaitForNotificationWithTimeout(absl::Seconds(1));
  auto reader = OpenLog(uid);
  ASSERT_NE(reader, nullptr);
  const int64_t frozen = LastTick(Drain(*reader));
  EXPECT_GE(frozen, 3);
  never.WaitForNotificationWithTimeout(absl::Seconds(1));
  EXPECT_TRUE(Drain(*reader).entries.empty()) << "it ticks while paused";

  VX_ASSERT_OK(driver().Resume(uid));
  EXPECT_EQ(PresenceOf(uid), Presence::kRunning);
  VX_ASSERT_OK(driver().Resume(uid));
  const Output later = ReadUntil(*reader, absl::StrCat("tick ", frozen + 2, "\n"), patience());
  ASSERT_FALSE(later.entries.empty());
  EXPECT_EQ(later.entries[0].data, absl::StrCat("tick ", frozen + 1, "\n"));

  // Stop thaws a paused run, so that it can end as it likes.
  VX_ASSERT_OK(driver().Pause(uid));
  VX_ASSERT_OK(driver().Stop(uid, kLongGrace));
  EXPECT_EQ(PresenceOf(uid), Presence::kExited);
  EXPECT_EQ(ExitOf(uid).code(), 3);
}

TEST_F(Signals, SigkillEndsAPausedRun) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  VX_ASSERT_OK(driver().Pause(workload.uid()));
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGKILL));
  ExpectKilled(workload.uid());
}

}  // namespace
}  // namespace vx::contract
