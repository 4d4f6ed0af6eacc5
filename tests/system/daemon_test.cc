// vxd itself: its starts and ends, its configuration, several of it.
#include <sqlite3.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class DaemonTest : public OwnDaemonTest {
 protected:
  void RunDetached(const std::string& kind, const std::string& script) {
    Result result = vx_.Vxctl({"run", "-d", "--kind=" + kind, "--name", "w-" + kind, "busybox",
                               "--", "sh", "-c", script});
    ASSERT_EQ(result.code, 0) << result;
  }
  std::string WriteConfig(const std::string& text) {
    std::string path = vx_.dir() + "/vxd.toml";
    std::ofstream(path) << text;
    return path;
  }
};

class DaemonEachKindTest : public DaemonTest, public testing::WithParamInterface<std::string> {};
VX_EACH_KIND(DaemonEachKindTest);

// Lines "1".."N", without a gap.
testing::AssertionResult CountsUp(const std::string& text, int least) {
  std::istringstream lines(text);
  int last = 0, number = 0;
  while (lines >> number) {
    if (number != ++last) return testing::AssertionFailure() << last << " is missing";
  }
  if (last < least) return testing::AssertionFailure() << "only up to " << last;
  return testing::AssertionSuccess();
}

TEST_P(DaemonEachKindTest, KillOfVxdLosesNoWorkloadAndNoOutput) {
  vx_.Start();
  RunDetached(GetParam(), "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done");
  std::string name = "w-" + GetParam();
  ASSERT_TRUE(vx_.WaitForLog(name, "\n20\n"));
  Json before = vx_.Inspect(name)["status"];
  vx_.Kill();
  // Something is printed while there is no vxd: as much as in the time that the
  // next one needs to come up.
  vx_.Start();
  ASSERT_TRUE(vx_.WaitForLog(name, "\n60\n"));
  Json after = vx_.Inspect(name)["status"];
  EXPECT_EQ(after["state"], "running");
  EXPECT_EQ(after["pid"], before["pid"]);
  EXPECT_EQ(after["startTime"], before["startTime"]);
  EXPECT_TRUE(CountsUp(vx_.Logs(name), 60));
  EXPECT_THAT(vx_.Vxctl({"stop", "-t", "0s", name}), Succeeds());
  EXPECT_EQ(vx_.Inspect(name)["status"]["exit"]["reason"], "user");
}

TEST_P(DaemonEachKindTest, AnEndWhileVxdWasAwayIsTold) {
  vx_.Start();
  // It ends once vxd, which it can't see, is surely gone.
  RunDetached(GetParam(), "echo up; sleep 2; echo down; exit 9");
  std::string name = "w-" + GetParam();
  ASSERT_TRUE(vx_.WaitForLog(name, "up"));
  pid_t shim = vx_.Inspect(name)["status"]["shimPid"];
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(shim);
  ASSERT_TRUE(pidfd.ok());
  vx_.Kill();
  ASSERT_TRUE(WaitPidfd(pidfd->get(), absl::Seconds(60))) << "the shim still runs";
  vx_.Start();
  ASSERT_THAT(vx_.Vxctl({"wait", name, "--timeout", "30s"}), Succeeds());
  Json exit = vx_.Inspect(name)["status"]["exit"];
  EXPECT_EQ(exit["code"], 9) << exit;
  EXPECT_EQ(exit["reason"], "exited") << exit;
  EXPECT_EQ(vx_.Logs(name), "up\ndown\n");
}

TEST_P(DaemonEachKindTest, SigtermEndsVxdCleanlyAndLeavesWorkloadsRunning) {
  vx_.Start();
  RunDetached(GetParam(), "sleep 600");
  std::string name = "w-" + GetParam();
  pid_t pid = vx_.Inspect(name)["status"]["pid"];
  EXPECT_EQ(vx_.Stop(), 0);
  EXPECT_EQ(kill(pid, 0), 0) << "the workload is gone";
  EXPECT_FALSE(PathExists(vx_.socket())) << "the socket is still there";
  vx_.Start();
  EXPECT_EQ(vx_.State(name), "running");
  EXPECT_EQ(vx_.Inspect(name)["status"]["pid"], pid);
}

TEST_P(DaemonEachKindTest, ARunInTheForegroundOutlivedByItsClientLeavesNothing) {
  vx_.Start();
  auto run = vx_.VxctlInBackground({"run", "--rm", "--kind=" + GetParam(), "--name", "w", "busybox",
                                    "--", "sh", "-c", "echo up; sleep 1; exit 0"});
  ASSERT_TRUE(run->WaitForOutput("up"));
  run->Signal(SIGKILL);
  run->Wait();
  vx_.Vxctl({"wait", "w", "--timeout", "60s"});
  auto gone = [this] { return vx_.Inspect("w").is_null(); };
  for (int i = 0; i < 200 && !gone(); ++i) absl::SleepFor(absl::Milliseconds(50));
  EXPECT_TRUE(gone());
}

TEST_F(DaemonTest, LsAnswersWhileLibvirtIsStillProbed) {
  // A cache of its own makes libvirt look at QEMU from scratch, for seconds.
  vx_.Start({.args = {"--set", "vm.embed_cache=" + vx_.dir() + "/cold"}});
  absl::Time begin = absl::Now();
  EXPECT_THAT(vx_.Vxctl({"ls"}), Succeeds());
  absl::Duration took = absl::Now() - begin;
  EXPECT_EQ(vx_.Driver("libvirt").value("state", ""), "probing")
      << "the probe was too quick to tell";
  EXPECT_LT(took, absl::Seconds(1));
}

TEST_F(DaemonTest, AWorkloadForADriverThatStillProbesWaitsForIt) {
  vx_.Start({.args = {"--set", "vm.embed_cache=" + vx_.dir() + "/cold"}});
  Result result = vx_.Vxctl({"run", "--rm", "--kind=vm", "busybox", "--", "echo", "hi"});
  EXPECT_EQ(result.out, "hi\n") << result;
}

TEST_F(DaemonTest, TwoRunSideBySide) {
  Daemon other;
  vx_.Start();
  other.Start();
  for (const char* kind : {"container", "vm"}) {
    for (Daemon* daemon : {&vx_, &other}) {
      Result result = daemon->Vxctl({"run", "-d", std::string("--kind=") + kind, "--name",
                                     std::string("same-") + kind, "busybox", "--", "sleep", "600"});
      ASSERT_EQ(result.code, 0) << result;
    }
  }
  EXPECT_NE(vx_.VxctlJson({"info"})["instanceId"], other.VxctlJson({"info"})["instanceId"]);
  EXPECT_THAT(other.ShutDown(), IsEmpty());
  EXPECT_EQ(vx_.State("same-container"), "running");
  EXPECT_EQ(vx_.State("same-vm"), "running");
}

TEST_F(DaemonTest, ASecondOneOverTheSameFoldersIsRefused) {
  vx_.Start();
  Result result = vx_.RunToEnd();
  EXPECT_NE(result.code, 0);
  EXPECT_THAT(result.err, testing::AnyOf(HasSubstr(vx_.state_dir()), HasSubstr(vx_.runtime_dir())));
  EXPECT_THAT(vx_.Vxctl({"ls"}), Succeeds()) << "the first one must not notice";
}

TEST_F(DaemonTest, AStateDirectoryOfANewerVersionIsRefusedAndLeftAlone) {
  vx_.Start();
  ASSERT_EQ(vx_.Stop(), 0);
  std::string path = vx_.state_dir() + "/vx.db";
  auto pragma = [&path](const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(db);
  };
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open_v2(path.c_str(), &db, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  std::string version;
  sqlite3_exec(
      db, "PRAGMA user_version",
      [](void* out, int, char** values, char**) {
        *static_cast<std::string*>(out) = values[0];
        return 0;
      },
      &version, nullptr);
  sqlite3_close(db);
  pragma("PRAGMA user_version = 9999");
  Result result = vx_.RunToEnd();
  EXPECT_THAT(result, FailsSaying(1, {vx_.state_dir(), "9999", "DATABASE_TOO_NEW", "hint:"}));
  pragma(("PRAGMA user_version = " + version).c_str());
  vx_.Start();
  EXPECT_THAT(vx_.Vxctl({"ls"}), Succeeds());
}

TEST_F(DaemonTest, AnUnknownConfigKeyIsToldWithFileAndLine) {
  std::string path = WriteConfig("[daemon]\n\n# what?\nstate_dri = \"/tmp\"\n");
  EXPECT_THAT(vx_.RunToEnd({.args = {"--config", path}}),
              FailsSaying(1, {"state_dri", path + ":4"}));
}

TEST_F(DaemonTest, AnUnknownKeyOnTheCommandLineIsTold) {
  EXPECT_THAT(vx_.RunToEnd({.args = {"--set", "vm.krenel=/x"}}), FailsSaying(1, {"vm.krenel"}));
}

TEST_F(DaemonTest, AConfigWithBrokenSyntaxIsToldWithFileAndLine) {
  std::string path = WriteConfig("[daemon\n");
  EXPECT_THAT(vx_.RunToEnd({.args = {"--config", path}}), FailsSaying(1, {path + ":1"}));
}

TEST_F(DaemonTest, AConfigThatIsNotThereIsTold) {
  EXPECT_THAT(vx_.RunToEnd({.args = {"--config", "/nonexistent/vxd.toml"}}),
              FailsSaying(1, {"/nonexistent/vxd.toml"}));
}

TEST_F(DaemonTest, TheAnnotatedConfigIsValidAndFlagsWinOverIt) {
  vx_.Start(
      {.args = {"--config", VX_TEST_SOURCE_DIR "/config/vxd.toml", "--socket", vx_.socket()}});
  Json info = vx_.VxctlJson({"info"});
  EXPECT_EQ(info["stateDir"], vx_.state_dir());
}

// Passes vxd a listening socket as a service manager does, and says that it is `count`.
Words PassSocket(const std::string& path, const char* count) {
  return {"python3", "-c",
          "import os, socket, sys\n"
          "s = socket.socket(socket.AF_UNIX)\n"
          "os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)\n"
          "s.bind(sys.argv[1]); s.listen(); os.dup2(s.fileno(), 3)\n"
          "os.set_inheritable(3, True)\n"
          "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=sys.argv[2])\n"
          "os.execvp(sys.argv[3], sys.argv[3:])\n",
          path, count};
}

TEST_F(DaemonTest, ASocketThatItIsPassedIsServedAndNotRemoved) {
  vx_.Start({.wrapper = PassSocket(vx_.socket(), "1")});
  EXPECT_EQ(vx_.VxctlJson({"info"})["stateDir"], vx_.state_dir());
  EXPECT_EQ(vx_.Stop(), 0);
  EXPECT_TRUE(PathExists(vx_.socket()));
}

TEST_F(DaemonTest, OfSeveralPassedSocketsNoneIsGuessed) {
  EXPECT_THAT(vx_.RunToEnd({.wrapper = PassSocket(vx_.socket(), "2")}),
              FailsSaying(1, {"2 sockets", "BAD_SOCKET"}));
}

TEST_F(DaemonTest, LeavesNothingAtItsEndWhenItDidNothing) {
  vx_.Start();
  EXPECT_THAT(vx_.Leftovers(), IsEmpty());
  EXPECT_EQ(vx_.Stop(), 0);
  EXPECT_THAT(vx_.Leftovers(), IsEmpty());
}

}  // namespace
}  // namespace vx::system_test
