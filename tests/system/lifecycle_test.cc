// The verbs over a workload's life, the same for both kinds.
#include <csignal>

#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class LifecycleTest : public EachKindTest {
 protected:
  Json Exit(const std::string& name) { return vx().Inspect(name)["status"]["exit"]; }
};
VX_EACH_KIND(LifecycleTest);

TEST_P(LifecycleTest, CreateMakesAndStartRuns) {
  Result created = Vxctl({"create", kind_flag(), "--name", "w", "busybox", "--", "sleep", "600"});
  ASSERT_THAT(created, Succeeds()) << created;
  EXPECT_EQ(vx().State("w"), "stopped");
  ASSERT_THAT(Vxctl({"start", "w"}), Succeeds());
  EXPECT_EQ(vx().State("w"), "running");
}

TEST_P(LifecycleTest, PausedWritesNothingAndResumedGoesOn) {
  RunDetached("w", "while :; do echo tick; sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "tick"));
  ASSERT_THAT(Vxctl({"pause", "w"}), Succeeds());
  EXPECT_EQ(vx().State("w"), "paused");
  absl::SleepFor(absl::Milliseconds(300));  // what was on its way arrives
  size_t before = vx().Logs("w").size();
  absl::SleepFor(absl::Milliseconds(700));
  EXPECT_EQ(vx().Logs("w").size(), before) << "it goes on while paused";
  ASSERT_THAT(Vxctl({"resume", "w"}), Succeeds());
  EXPECT_EQ(vx().State("w"), "running");
  auto follow = vx().VxctlInBackground({"logs", "-f", "--tail", "0", "w"});
  EXPECT_TRUE(follow->WaitForOutput("tick"));
}

TEST_P(LifecycleTest, PauseAndResumeAreIdempotent) {
  RunDetached("w", "sleep 600");
  for (const char* verb : {"pause", "pause", "resume", "resume"}) {
    EXPECT_THAT(Vxctl({verb, "w"}), Succeeds()) << verb;
  }
  EXPECT_EQ(vx().State("w"), "running");
}

TEST_P(LifecycleTest, StopLetsTheCommandEndByItself) {
  RunDetached("w", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "up"));
  ASSERT_THAT(Vxctl({"stop", "-t", "30s", "w"}), Succeeds());
  EXPECT_EQ(vx().State("w"), "stopped");
  EXPECT_EQ(Exit("w")["code"], 3);
  EXPECT_EQ(Exit("w")["reason"], "user");
  EXPECT_THAT(vx().Logs("w"), HasSubstr("bye"));
}

TEST_P(LifecycleTest, StopKillsWhatIgnoresItOnceTheGraceIsOver) {
  RunDetached("w", "trap '' TERM; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "up"));
  absl::Time begin = absl::Now();
  ASSERT_THAT(Vxctl({"stop", "-t", "1s", "w"}), Succeeds());
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(900)) << "it did not get its grace";
  EXPECT_EQ(Exit("w")["code"], 137);
  EXPECT_EQ(Exit("w")["signal"], 9);
  EXPECT_EQ(Exit("w")["reason"], "user");
}

TEST_P(LifecycleTest, StopWorksOnAPausedWorkload) {
  RunDetached("w", "trap 'exit 4' TERM; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "up"));
  ASSERT_THAT(Vxctl({"pause", "w"}), Succeeds());
  ASSERT_THAT(Vxctl({"stop", "-t", "30s", "w"}), Succeeds());
  EXPECT_EQ(Exit("w")["code"], 4);
}

TEST_P(LifecycleTest, StoppingTheStoppedIsFine) {
  RunDetached("w", "exit 5");
  ASSERT_THAT(Vxctl({"wait", "w", "--timeout", "60s"}), Succeeds());
  EXPECT_THAT(Vxctl({"stop", "w"}), Succeeds());
  EXPECT_EQ(Exit("w")["code"], 5);
  EXPECT_EQ(Exit("w")["reason"], "exited");
}

TEST_P(LifecycleTest, RestartRunsTheCommandAgainOverTheSameFiles) {
  RunDetached("w",
              "echo run >>/runs; grep -c run /runs; trap 'exit 0' TERM; "
              "while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "1\n"));
  ASSERT_THAT(Vxctl({"restart", "-t", "30s", "w"}), Succeeds());
  EXPECT_EQ(vx().State("w"), "running");
  EXPECT_TRUE(vx().WaitForLog("w", "1\n2\n")) << vx().Logs("w");
}

TEST_P(LifecycleTest, LogsKeepBothStreamsInOrder) {
  RunDetached("w", "echo one; sleep 0.2; echo two >&2; sleep 0.2; echo three");
  ASSERT_THAT(Vxctl({"wait", "w", "--timeout", "60s"}), Succeeds());
  Result logs = Vxctl({"logs", "w"});
  EXPECT_EQ(logs.out, "one\nthree\n");
  EXPECT_EQ(logs.err, "two\n");
  EXPECT_EQ(Vxctl({"logs", "--tail", "1", "w"}).out, "three\n");
  EXPECT_THAT(Vxctl({"logs", "--timestamps", "w"}).out, testing::StartsWith("20"));
}

TEST_P(LifecycleTest, LogsFollowUntilTheEnd) {
  RunDetached("w", "trap 'echo last; exit 0' TERM; echo first; while :; do sleep 0.05; done");
  auto follow = vx().VxctlInBackground({"logs", "-f", "w"});
  ASSERT_TRUE(follow->WaitForOutput("first"));
  ASSERT_THAT(Vxctl({"stop", "w"}), Succeeds());
  Result result = follow->Wait(absl::Seconds(30));
  EXPECT_EQ(result.out, "first\nlast\n");
  EXPECT_EQ(result.code, 0) << result;
}

TEST_P(LifecycleTest, WaitReturnsWhenItStops) {
  RunDetached("w", "trap 'exit 0' TERM; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "up"));
  auto wait = vx().VxctlInBackground({"wait", "w", "--timeout", "60s"});
  EXPECT_TRUE(wait->running());
  ASSERT_THAT(Vxctl({"stop", "w"}), Succeeds());
  EXPECT_THAT(wait->Wait(absl::Seconds(30)), Succeeds());
}

TEST_P(LifecycleTest, WaitThatIsTooShortSaysTheState) {
  RunDetached("w", "sleep 600");
  EXPECT_THAT(Vxctl({"wait", "w", "--timeout", "200ms"}), FailsSaying(1, {"w", "running"}));
  EXPECT_THAT(Vxctl({"wait", "w", "--for=running", "--timeout", "10s"}), Succeeds());
}

TEST_P(LifecycleTest, KillSendsTheSignalThatItIsTold) {
  RunDetached("w", "trap 'echo got-hup' HUP; echo up; while :; do sleep 0.05; done");
  ASSERT_TRUE(vx().WaitForLog("w", "up"));
  ASSERT_THAT(Vxctl({"kill", "-s", "HUP", "w"}), Succeeds());
  EXPECT_TRUE(vx().WaitForLog("w", "got-hup"));
  EXPECT_EQ(vx().State("w"), "running");
}

TEST_P(LifecycleTest, RmOfARunningOneIsRefusedUnlessForced) {
  RunDetached("w", "sleep 600");
  EXPECT_THAT(Vxctl({"rm", "w"}), FailsSaying(1, {"w", "STILL_RUNNING", "hint:"}));
  EXPECT_EQ(vx().State("w"), "running");
  EXPECT_THAT(Vxctl({"rm", "-f", "w"}), Succeeds());
  EXPECT_THAT(Vxctl({"inspect", "w"}), FailsSaying(1, {"w"}));
}

TEST_P(LifecycleTest, AUniquePrefixOfTheUidNamesIt) {
  RunDetached("w", "sleep 600");
  std::string uid = vx().Inspect("w")["uid"];
  EXPECT_EQ(vx().Inspect(uid.substr(0, 12))["name"], "w");
}

TEST_P(LifecycleTest, OperationsAndEventsTellWhatHappened) {
  RunDetached("w", "sleep 600");
  ASSERT_THAT(Vxctl({"stop", "-t", "0s", "w"}), Succeeds());
  Json operations = vx().VxctlJson({"operation", "ls"});
  ASSERT_TRUE(operations.is_array());
  Words types;
  for (const Json& o : operations) {
    if (o["target"] == "w") types.push_back(o["type"]);
    EXPECT_EQ(o["state"], "done") << o;
  }
  EXPECT_THAT(types, testing::IsSupersetOf({"create", "stop"}));
  EXPECT_THAT(Vxctl({"events"}).out, HasSubstr("w"));
}

TEST_P(LifecycleTest, AShimThatDiesTakesItsWorkloadAlong) {
  RunDetached("w", "trap '' TERM; while :; do sleep 0.05; done");
  Json status = vx().Inspect("w")["status"];
  ASSERT_EQ(kill(status["shimPid"].get<pid_t>(), SIGKILL), 0);
  ASSERT_THAT(Vxctl({"wait", "w", "--timeout", "60s"}), Succeeds());
  EXPECT_THAT(Exit("w")["reason"], testing::AnyOf("crashed", "lost")) << Exit("w");
  ASSERT_THAT(Vxctl({"start", "w"}), Succeeds()) << "it can't be started again";
}

}  // namespace
}  // namespace vx::system_test
