#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"

namespace vx::cli {
namespace {

using testing::HasSubstr;

v1::LogEntry Entry(v1::LogStream stream, const std::string& data) {
  v1::LogEntry entry;
  entry.set_stream(stream);
  entry.set_data(data);
  return entry;
}

Script Exits(int code) {
  Script script;
  script.exit.set_code(code);
  script.exit.set_reason(v1::EXIT_REASON_EXITED);
  return script;
}

const std::vector<std::string> kRun = {
    "run", "--rm", "--kind=container", "--name", "web", "busybox", "--", "true"};

TEST(VxctlRun, PassesOnBothStreamsByteForByteAndTheExitStatus) {
  FakeVxd vxd;
  Script script = Exits(7);
  std::string binary("a\0\xff\n", 4);
  script.output = {Entry(v1::LOG_STREAM_STDOUT, "hi\n"), Entry(v1::LOG_STREAM_STDERR, "oh\n"),
                   Entry(v1::LOG_STREAM_STDOUT, binary),
                   Entry(v1::LOG_STREAM_STDOUT, "no newline")};
  vxd.SetScript(script);
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "hi\n" + binary + "no newline");
  EXPECT_EQ(result.err, "oh\n");
}

TEST(VxctlRun, MakesStartsAndFollowsWithOneChange) {
  FakeVxd vxd;
  EXPECT_EQ(Vxctl(vxd, kRun).exit_code, 0);
  auto created = vxd.Asked<v1::CreateWorkloadRequest>();
  ASSERT_EQ(created.size(), 1u);
  EXPECT_TRUE(created[0].start());
  EXPECT_TRUE(created[0].follow());
  EXPECT_TRUE(created[0].workload().spec().remove_on_exit());
  EXPECT_FALSE(created[0].request_id().empty());
  auto logs = vxd.Asked<v1::StreamLogsRequest>();
  ASSERT_EQ(logs.size(), 1u);
  EXPECT_TRUE(logs[0].follow());
  EXPECT_TRUE(vxd.Asked<v1::StartWorkloadRequest>().empty());
}

TEST(VxctlRun, ASignalledCommandIs128AndTheSignal) {
  FakeVxd vxd;
  Script script = Exits(139);
  script.exit.set_signal(11);
  script.exit.set_reason(v1::EXIT_REASON_CRASHED);
  vxd.SetScript(script);
  EXPECT_EQ(Vxctl(vxd, kRun).exit_code, 139);
}

TEST(VxctlRun, SaysThatItRanOutOfMemory) {
  FakeVxd vxd;
  Script script = Exits(137);
  script.exit.set_reason(v1::EXIT_REASON_OOM);
  vxd.SetScript(script);
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 137);
  EXPECT_EQ(result.err,
            "vxctl: web: it ran out of memory (OOM)\nhint: give it more: -m/--memory\n");
}

TEST(VxctlRun, ACommandThatIsNotThereIs127WithItsError) {
  for (bool exit_too : {false, true}) {
    FakeVxd vxd;
    Script script = Exits(127);
    script.start_error = WireError(absl::StatusCode::kFailedPrecondition, "COMMAND_NOT_FOUND",
                                   "there is no command \"nope\" in busybox");
    script.exit_after_start_error = exit_too;
    vxd.SetScript(script);
    CommandResult result = Vxctl(vxd, kRun);
    EXPECT_EQ(result.exit_code, 127);
    EXPECT_EQ(result.err, "vxctl: there is no command \"nope\" in busybox (COMMAND_NOT_FOUND)\n");
  }
}

TEST(VxctlRun, ACommandThatCannotBeExecutedIs126) {
  FakeVxd vxd;
  Script script = Exits(126);
  script.start_error = WireError(absl::StatusCode::kFailedPrecondition, "COMMAND_NOT_EXECUTABLE",
                                 "/etc is no program");
  vxd.SetScript(script);
  EXPECT_EQ(Vxctl(vxd, kRun).exit_code, 126);
  EXPECT_EQ(Vxctl(vxd, {"run", "-d", "--kind=vm", "busybox", "--", "/etc"}).exit_code, 126);
}

TEST(VxctlRun, ACommandOfItsOwnThatExits127IsNoError) {
  FakeVxd vxd;
  vxd.SetScript(Exits(127));
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 127);
  EXPECT_EQ(result.err, "");
}

TEST(VxctlRun, AnyOtherFailedStartIs1) {
  FakeVxd vxd;
  Script script;
  script.start_error = WireError(absl::StatusCode::kFailedPrecondition, "DRIVER_UNAVAILABLE",
                                 "VMs can't run here", "install qemu");
  vxd.SetScript(script);
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err, "vxctl: VMs can't run here (DRIVER_UNAVAILABLE)\nhint: install qemu\n");
}

TEST(VxctlRun, ARefusedCreateIs1AndFollowsNothing) {
  FakeVxd vxd;
  vxd.Refuse(WireError(absl::StatusCode::kAlreadyExists, "NAME_TAKEN", "x is taken"));
  EXPECT_EQ(Vxctl(vxd, kRun).exit_code, 1);
  EXPECT_TRUE(vxd.Asked<v1::StreamLogsRequest>().empty());
}

TEST(VxctlRun, AMissingImageIsPulledUnlessToldNot) {
  FakeVxd vxd;
  vxd.Refuse(WireError(absl::StatusCode::kNotFound, "IMAGE_NOT_FOUND", "there is no image \"x\""));
  std::vector<std::string> never = kRun;
  never.insert(never.begin() + 1, "--pull=never");
  EXPECT_THAT(Vxctl(vxd, never).err, HasSubstr("IMAGE_NOT_FOUND"));
  EXPECT_TRUE(vxd.Asked<v1::PullImageRequest>().empty());
  Vxctl(vxd, kRun);
  EXPECT_EQ(vxd.Asked<v1::PullImageRequest>().size(), 1u);
  EXPECT_EQ(Vxctl(vxd, {"run", "--pull=often", "x"}).exit_code, 2);
}

TEST(VxctlRun, AnOutputThatBreaksOffIs1) {
  FakeVxd vxd;
  Script script;
  script.no_exit = true;
  vxd.SetScript(script);
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("(NO_EXIT)"));
}

TEST(VxctlRun, GoesOnBehindTheLastByteAfterARestartOfTheDaemon) {
  for (size_t lost_after : {1, 2, 3, 4, 5}) {
    FakeVxd vxd;
    Script script = Exits(5);
    script.lost_after = lost_after;
    // Three at the same time, as lines that are written at once are.
    for (const char* text : {"one\n", "two\n", "three\n"}) {
      script.output.push_back(Entry(v1::LOG_STREAM_STDOUT, text));
      script.output.back().mutable_time()->set_seconds(100);
    }
    script.output.push_back(Entry(v1::LOG_STREAM_STDERR, "error\n"));
    script.output.back().mutable_time()->set_seconds(100);
    script.output.push_back(Entry(v1::LOG_STREAM_STDOUT, "four\n"));
    script.output.back().mutable_time()->set_seconds(101);
    script.output.push_back(Entry(v1::LOG_STREAM_STDOUT, "five\n"));
    script.output.back().mutable_time()->set_seconds(102);
    vxd.SetScript(script);
    CommandResult result = Vxctl(vxd, kRun);
    EXPECT_EQ(result.exit_code, 5) << lost_after;
    EXPECT_EQ(result.out, "one\ntwo\nthree\nfour\nfive\n") << lost_after;
    EXPECT_EQ(result.err, "error\n") << lost_after;
    EXPECT_EQ(vxd.Asked<v1::StreamLogsRequest>().size(), 2u);
  }
}

TEST(VxctlRun, TheExitOfWhatWasRemovedBeforeARestartOfTheDaemonIsOnRecord) {
  FakeVxd vxd;
  Script script = Exits(5);
  script.output.push_back(Entry(v1::LOG_STREAM_STDOUT, "out\n"));
  script.output.push_back(Entry(v1::LOG_STREAM_STDOUT, "never sent\n"));
  script.lost_after = 1;
  script.gone_when_lost = true;
  vxd.SetScript(script);
  v1::Event event;
  event.set_revision(1);
  vxd.events.push_back(event);
  event.set_revision(2);
  event.set_type(v1::EVENT_TYPE_WORKLOAD_DELETED);
  *event.mutable_workload()->mutable_status()->mutable_exit() = script.exit;
  vxd.events.push_back(event);
  CommandResult result = Vxctl(vxd, kRun);
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "");
}

TEST(VxctlRun, AWaitLivesThroughARestartOfTheDaemon) {
  FakeVxd vxd;
  vxd.LoseNextWait();
  EXPECT_EQ(Vxctl(vxd, {"run", "-d", "--kind=vm", "--name", "web", "busybox"}).out, "web\n");
  EXPECT_EQ(vxd.Asked<v1::WaitOperationRequest>().size(), 2u);
}

TEST(VxctlRun, SendsCtrlCToTheWorkload) {
  FakeVxd vxd;
  Script script;
  script.until_killed = true;
  vxd.SetScript(script);
  RunningVxctl vxctl(vxd, kRun);
  ASSERT_TRUE(vxd.WaitFor<v1::StreamLogsRequest>());
  ASSERT_TRUE(vxd.WaitFor<v1::WaitOperationRequest>());
  vxctl.Signal(SIGINT);
  EXPECT_EQ(vxctl.End().exit_code, 130);
  auto kills = vxd.Asked<v1::KillWorkloadRequest>();
  ASSERT_EQ(kills.size(), 1u);
  EXPECT_EQ(kills[0].signal(), "SIGINT");
}

TEST(VxctlRun, CtrlCCancelsWhatIsStillBeingMade) {
  FakeVxd vxd;
  Script script;
  script.until_killed = true;
  vxd.SetScript(script);
  vxd.HoldOperations();
  RunningVxctl vxctl(vxd, kRun);
  ASSERT_TRUE(vxd.WaitFor<v1::StreamLogsRequest>());
  ASSERT_TRUE(vxd.WaitFor<v1::WaitOperationRequest>());
  vxctl.Signal(SIGINT);
  CommandResult result = vxctl.End();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(vxd.Asked<v1::CancelOperationRequest>().size(), 1u);
  EXPECT_THAT(result.err, HasSubstr("cancelled"));
}

TEST(VxctlRun, ASecondCtrlCLeavesItRunning) {
  FakeVxd vxd;
  Script script;
  script.until_killed = true;
  script.deaf = true;
  vxd.SetScript(script);
  RunningVxctl vxctl(vxd, kRun);
  ASSERT_TRUE(vxd.WaitFor<v1::StreamLogsRequest>());
  ASSERT_TRUE(vxd.WaitFor<v1::WaitOperationRequest>());
  vxctl.Signal(SIGTERM);
  ASSERT_TRUE(vxd.WaitFor<v1::KillWorkloadRequest>());
  vxctl.Signal(SIGINT);
  CommandResult result = vxctl.End();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.err, HasSubstr("left web running (INTERRUPTED)"));
  EXPECT_THAT(result.err, HasSubstr("vxctl logs -f web"));
}

TEST(VxctlRun, StopsWhatIsRemovedAtItsExitWhenNobodyReadsItsOutput) {
  for (const bool remove : {true, false}) {
    FakeVxd vxd;
    Script script;
    script.output = {Entry(v1::LOG_STREAM_STDOUT, "one\n")};
    script.until_killed = true;
    vxd.SetScript(script);
    std::vector<std::string> words = kRun;
    if (!remove) words.erase(words.begin() + 1);
    RunningVxctl vxctl(vxd, words, /*unread=*/true);
    const CommandResult result = vxctl.End();
    EXPECT_EQ(result.exit_code, 141) << result.err;
    auto stops = vxd.Asked<v1::StopWorkloadRequest>();
    EXPECT_EQ(stops.size(), remove ? 1u : 0u);
    EXPECT_EQ(result.err.find("left web running") == std::string::npos, remove) << result.err;
  }
}

TEST(VxctlRun, CtrlCWhileDetachedStopsWaitingAndSaysHowToGoOn) {
  FakeVxd vxd;
  vxd.HoldOperations();
  RunningVxctl vxctl(vxd, {"run", "-d", "--kind=vm", "--name", "web", "busybox"});
  ASSERT_TRUE(vxd.WaitFor<v1::WaitOperationRequest>());
  vxctl.Signal(SIGINT);
  CommandResult result = vxctl.End();
  EXPECT_EQ(result.exit_code, 130);
  EXPECT_THAT(result.err, HasSubstr("goes on (INTERRUPTED)"));
  EXPECT_THAT(result.err, HasSubstr("vxctl operation cancel 0000000000000000000000000000abc0"));
}

TEST(VxctlRun, DetachedPrintsTheNameOnceItRuns) {
  FakeVxd vxd;
  CommandResult result = Vxctl(vxd, {"run", "-d", "--kind=vm", "busybox", "--", "sleep", "9"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out, "quiet-fox\n");
  auto created = vxd.Asked<v1::CreateWorkloadRequest>();
  ASSERT_EQ(created.size(), 1u);
  EXPECT_TRUE(created[0].start());
  EXPECT_EQ(created[0].workload().kind(), v1::KIND_VM);
  EXPECT_TRUE(vxd.Asked<v1::StartWorkloadRequest>().empty());
}

TEST(VxctlRun, LaunchIsRunDetached) {
  FakeVxd vxd;
  CommandResult result = Vxctl(vxd, {"launch", "--kind=container", "--name", "a", "busybox"});
  EXPECT_EQ(result.out, "a\n");
  EXPECT_TRUE(vxd.Asked<v1::CreateWorkloadRequest>()[0].start());
}

}  // namespace
}  // namespace vx::cli
