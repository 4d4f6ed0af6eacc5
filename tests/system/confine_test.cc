// What a spec lets a container do is what it can do, no less and no more.
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class ConfineTest : public SharedDaemonTest {
 protected:
  static Result RunScript(const Words& flags, const std::string& script) {
    Words words = {"run", "--rm", "--kind=container"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), {"busybox", "--", "sh", "-c", script});
    return Vxctl(words);
  }
  static std::string Capabilities(const Words& flags) {
    return RunScript(flags, "grep CapEff /proc/self/status | cut -f 2").out;
  }
};

TEST_F(ConfineTest, AReadOnlyRootLeavesWhatIsInMemory) {
  const Result result = RunScript({"--read-only", "--tmpfs", "/t:size=1M,mode=700"},
                                  "touch /x || echo no; touch /t/x && stat -c %a /t; "
                                  "head -c 2097152 /dev/zero > /t/big || echo full");
  EXPECT_EQ(result.out, "no\n700\nfull\n") << result;
}

TEST_F(ConfineTest, ProgramsInMemoryRunWhereTheSpecSaysSo) {
  const std::string script = "cp /bin/busybox /t/busybox && /t/busybox echo ran";
  EXPECT_NE(RunScript({"--tmpfs", "/t"}, script).code, 0);
  EXPECT_EQ(RunScript({"--tmpfs", "/t:exec"}, script).out, "ran\n");
}

TEST_F(ConfineTest, CapabilitiesAreThoseOfTheSpec) {
  EXPECT_EQ(Capabilities({"--cap-drop", "ALL"}), "0000000000000000\n");
  EXPECT_EQ(Capabilities({"--cap-drop", "ALL", "--cap-add", "CHOWN"}), "0000000000000001\n");
  EXPECT_EQ(Capabilities({"--cap-add", "ALL", "--cap-drop", "CHOWN"}), "000001fffffffffe\n");
  EXPECT_THAT(RunScript({"--cap-add", "FLY"}, "true"), FailsSaying(1, {"--cap-add", "FLY"}));
}

TEST_F(ConfineTest, AFilterOfItsOwnIsUsed) {
  const std::string file = vx().dir() + "/filter.json";
  ASSERT_TRUE(WriteFileAtomic(file, R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]})",
                              0600)
                  .ok());
  const Result result = RunScript({"--security", "seccomp=" + file}, "mkdir /x");
  EXPECT_THAT(result.err, HasSubstr("No space left")) << result;
  EXPECT_THAT(
      RunScript({"--security", "seccomp=unconfined"}, "grep Seccomp: /proc/self/status").out,
      HasSubstr("\t0\n"));
  ASSERT_TRUE(WriteFileAtomic(file, R"({"defaultAction": "SCMP_ACT_DANCE"})", 0600).ok());
  EXPECT_THAT(RunScript({"--security", "seccomp=" + file}, "true"),
              FailsSaying(1, {"SCMP_ACT_DANCE"}));
}

TEST_F(ConfineTest, ADeviceIsUsedAsTheSpecSays) {
  const std::string script = "(: < /dev/f) && echo read; (: > /dev/f) && echo wrote";
  EXPECT_EQ(RunScript({"--device", "/dev/fuse:/dev/f"}, script).out, "read\nwrote\n");
  EXPECT_EQ(RunScript({"--device", "/dev/fuse:/dev/f:r"}, script).out, "read\n");
  EXPECT_THAT(RunScript({"--device", "/etc/passwd:/dev/f"}, script),
              FailsSaying(1, {"/etc/passwd", "no device"}));
}

TEST_F(ConfineTest, ThePrivilegedSeeTheHostsDevicesAndIds) {
  const Result result =
      RunScript({"--privileged"},
                "[ -e /dev/loop-control ] && echo devices; cat /proc/self/uid_map; "
                "mount -t tmpfs none /mnt && echo mounted");
  EXPECT_THAT(result.out, HasSubstr("devices\n"));
  EXPECT_THAT(result.out, HasSubstr("4294967295"));
  EXPECT_THAT(result.out, HasSubstr("mounted\n"));
}

TEST_F(ConfineTest, AnInitReapsPassesSignalsOnAndEndsAsTheCommand) {
  EXPECT_EQ(RunScript({"--init"}, "exit 7").code, 7);
  EXPECT_EQ(RunScript({"--init"}, "kill -KILL $$").code, 137);
  EXPECT_EQ(RunScript({"--init"}, "trap 'exit 9' TERM; kill -TERM 1; while :; do :; done").code, 9);
  EXPECT_EQ(RunScript({"--init"}, "(true & exec true); sleep 0.2; ps -o stat | grep -c Z").out,
            "0\n");
}

TEST_F(ConfineTest, WithAnInitACommandThatCantBeRunIsToldAsWithoutOne) {
  const struct {
    std::string command;
    int code;
    const char* reason;
  } cases[] = {{"nothing", 127, "COMMAND_NOT_FOUND"},
               {"/no/such/file", 127, "COMMAND_NOT_FOUND"},
               {"/etc/passwd", 126, "COMMAND_NOT_EXECUTABLE"},
               {"/etc", 126, "COMMAND_NOT_EXECUTABLE"}};
  for (const auto& each : cases) {
    for (const char* init : {"--init=false", "--init"}) {
      const Result result = Vxctl({"run", "--kind=container", "--name", "w", init, "busybox", "--",
                                   each.command});
      EXPECT_THAT(result, FailsSaying(each.code, {each.reason, each.command})) << init;
      const Json exit = vx().Inspect("w")["status"]["exit"];
      EXPECT_EQ(exit["code"], each.code) << exit;
      EXPECT_THAT(std::string(exit["message"]), HasSubstr("could not be run")) << exit;
      EXPECT_THAT(Vxctl({"rm", "w"}), Succeeds());
    }
  }
}

TEST_F(ConfineTest, NewPrivilegesAreForThoseThatAskForThem) {
  const std::string script = "grep NoNewPrivs /proc/self/status";
  EXPECT_THAT(RunScript({}, script).out, HasSubstr("1"));
  EXPECT_THAT(RunScript({"--security", "no-new-privileges=false"}, script).out, HasSubstr("0"));
}

TEST_F(ConfineTest, AVmRefusesWhatIsAboutTheHostsKernel) {
  for (const Words& flags :
       {Words{"--privileged"}, Words{"--cap-drop", "ALL"}, Words{"--device", "/dev/fuse"},
        Words{"--memory-reservation", "1M"}}) {
    Words words = {"create", "--kind=vm"};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back("busybox");
    EXPECT_THAT(Vxctl(words), FailsSaying(1, {"VM"})) << flags[0];
  }
}

TEST_F(ConfineTest, SharesAreChangedWhileItRuns) {
  ASSERT_THAT(Vxctl({"run", "-d", "--kind=container", "--name", "w", "-m", "64M", "--cpuset", "0",
                     "busybox", "--", "sleep", "600"}),
              Succeeds());
  const int64_t pid = vx().Inspect("w")["status"]["pid"];
  const std::string status = absl::StrCat("/proc/", pid, "/status");
  EXPECT_THAT(ReadFile(status).value_or(""), HasSubstr("Cpus_allowed_list:\t0\n"));
  EXPECT_THAT(Vxctl({"update", "w", "--cpuset", "", "--cpu-weight", "500", "--swap", "0",
                     "--memory-reservation", "32M"}),
              Succeeds());
  EXPECT_THAT(ReadFile(status).value_or(""), Not(HasSubstr("Cpus_allowed_list:\t0\n")));
  const Json resources = vx().Inspect("w")["spec"]["resources"];
  EXPECT_EQ(resources["cpuWeight"], 500) << resources;
  EXPECT_EQ(resources["memoryReservationBytes"], 32 << 20) << resources;
}

}  // namespace
}  // namespace vx::system_test
