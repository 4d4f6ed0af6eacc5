// `vxctl run`: what a command prints and how it ends, the same for both kinds.
#include <signal.h>

#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class RunTest : public EachKindTest {};
VX_EACH_KIND(RunTest);

TEST_P(RunTest, PrintsAndExitsAsTheCommandDoes) {
  Result result = RunScript("echo hi; exit 7");
  EXPECT_EQ(result.out, "hi\n") << result;
  EXPECT_EQ(result.code, 7) << result;
}

TEST_P(RunTest, WithRmLeavesNoWorkload) {
  EXPECT_THAT(RunScript("true", {"--name", "gone"}), Succeeds());
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
}

TEST_P(RunTest, WithRmLeavesNoWorkloadWhenTheClientIsKilledAtAnyMoment) {
  for (int milliseconds = 0; milliseconds < 40; milliseconds += 4) {
    auto client =
        vx().VxctlInBackground({"run", "--rm", kind_flag(), "busybox", "--", "echo", "hi"});
    client->WaitForOutput("hi", absl::Milliseconds(milliseconds));
    client->Signal(SIGKILL);
    client->Wait();
  }
  // vxd waits a little for a follower to come, and what a client has asked for may be
  // done after its death.
  for (int round = 0; round < 10; ++round) {
    for (const Json& workload : vx().VxctlJson({"ls", "-a"})) {
      vx().WaitForEvent(workload["uid"], "workload-deleted");
    }
  }
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
}

TEST_P(RunTest, KeepsTheStreamsApart) {
  Result result = RunScript("echo to-out; echo to-err >&2");
  EXPECT_EQ(result.out, "to-out\n");
  EXPECT_THAT(result.err, HasSubstr("to-err\n"));
  EXPECT_THAT(result.err, Not(HasSubstr("to-out")));
}

TEST_P(RunTest, KeepsEveryByteOfALongOutput) {
  Result result = RunScript("seq 1 50000");
  std::string expected;
  for (int i = 1; i <= 50000; ++i) expected += std::to_string(i) + "\n";
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(result.out == expected)
      << "got " << result.out.size() << " bytes, not " << expected.size();
}

TEST_P(RunTest, KeepsALastLineWithoutNewline) { EXPECT_EQ(RunScript("printf abc").out, "abc"); }

TEST_P(RunTest, GivesTheCommandWhatTheFlagsSay) {
  Result result =
      RunScript("echo $COLOUR; pwd; id -u; id -g; uname -n",
                {"-e", "COLOUR=blue", "-w", "/tmp", "-u", "12:34", "--hostname", "box"});
  EXPECT_EQ(result.out, "blue\n/tmp\n12\n34\nbox\n") << result;
}

TEST_P(RunTest, NamesTheHostAfterTheWorkload) {
  EXPECT_EQ(RunScript("uname -n", {"--name", "called-so"}).out, "called-so\n");
}

TEST_P(RunTest, HasARootOfItsOwnToWriteTo) {
  EXPECT_EQ(RunScript("echo one >/file; cat /file").out, "one\n");
  EXPECT_THAT(RunScript("test ! -e /file"), Succeeds()) << "a file of another workload is there";
}

TEST_P(RunTest, HasLoopbackOnly) {
  Result result = RunScript("ip -o link | grep -c UP; ip -o link");
  EXPECT_THAT(result.out, HasSubstr("lo:")) << result;
  EXPECT_EQ(result.out.substr(0, 2), "1\n") << result;
}

TEST_P(RunTest, CommandNotFoundEndsWith127) {
  Result result = Vxctl({"run", "--rm", kind_flag(), "busybox", "--", "no-such-command"});
  EXPECT_THAT(result, FailsSaying(127, {"no-such-command"}));
  // It goes when vxd has seen that its follower has all of the output.
  std::string left;
  for (int i = 0; i < 200 && !(left = Vxctl({"ls", "-a", "-q"}).out).empty(); ++i) {
  }
  EXPECT_EQ(left, "") << "--rm holds for a failed start too";
}

TEST_P(RunTest, CommandNotExecutableEndsWith126) {
  Result result = Vxctl({"run", "--rm", kind_flag(), "busybox", "--", "/etc/passwd"});
  EXPECT_THAT(result, FailsSaying(126, {"/etc/passwd"}));
}

TEST_P(RunTest, WithoutRmKeepsHowItEnded) {
  Result result =
      Vxctl({"run", kind_flag(), "--name", "kept", "busybox", "--", "sh", "-c", "exit 0"});
  EXPECT_THAT(result, Succeeds());
  Json workload = vx().Inspect("kept");
  ASSERT_TRUE(workload.is_object());
  EXPECT_EQ(workload["status"]["state"], "stopped");
  EXPECT_EQ(workload["status"]["exit"]["code"], 0);
  EXPECT_EQ(workload["status"]["exit"]["reason"], "exited");
  EXPECT_EQ(workload["kind"], GetParam());
  EXPECT_EQ(workload["spec"]["command"], Json({"sh", "-c", "exit 0"}));
}

TEST_P(RunTest, ASignalFromInsideTheHostIsToldAs128PlusIt) {
  RunDetached("victim", "sleep 600");
  EXPECT_THAT(Vxctl({"kill", "-s", "KILL", "victim"}), Succeeds());
  EXPECT_THAT(Vxctl({"wait", "victim", "--timeout", "30s"}), Succeeds());
  Json exit = vx().Inspect("victim")["status"]["exit"];
  EXPECT_EQ(exit["code"], 137);
  EXPECT_EQ(exit["signal"], 9);
  EXPECT_EQ(exit["reason"], "user");
}

TEST_P(RunTest, DetachedPrintsTheNameAndReturnsWhileItRuns) {
  Result result =
      Vxctl({"run", "-d", kind_flag(), "--name", "bg", "busybox", "--", "sleep", "600"});
  EXPECT_EQ(result.out, "bg\n") << result;
  EXPECT_EQ(vx().State("bg"), "running");
}

class BothKindsTest : public SharedDaemonTest {};

TEST_F(BothKindsTest, LsShowsThemInOneTable) {
  for (const char* kind : {"container", "vm"}) {
    Result result = Vxctl({"run", "-d", std::string("--kind=") + kind, "--name",
                           std::string("a-") + kind, "busybox", "--", "sleep", "600"});
    ASSERT_EQ(result.code, 0) << result;
  }
  std::string table = Vxctl({"ls"}).out;
  EXPECT_THAT(table, HasSubstr("a-container"));
  EXPECT_THAT(table, HasSubstr("a-vm"));
  EXPECT_THAT(table, HasSubstr("running"));
  Json list = vx().VxctlJson({"ls"});
  ASSERT_TRUE(list.is_array());
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0]["kind"], "container");
  EXPECT_EQ(list[1]["kind"], "vm");
  for (const Json& workload : list) {
    EXPECT_GT(workload["status"]["pid"].get<int64_t>(), 0);
    EXPECT_GT(workload["status"]["shimPid"].get<int64_t>(), 0);
  }
}

TEST_F(BothKindsTest, InfoShowsBothDriversReady) {
  for (const char* name : {"container", "libvirt"}) {
    // A run waits for a driver that still probes.
    Vxctl({"run", "--rm", std::string("--kind=") + (name[0] == 'c' ? "container" : "vm"), "busybox",
           "--", "true"});
    EXPECT_EQ(vx().Driver(name).value("state", ""), "ready") << vx().Driver(name);
  }
}

}  // namespace
}  // namespace vx::system_test
