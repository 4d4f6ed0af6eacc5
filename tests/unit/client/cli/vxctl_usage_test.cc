#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "tests/unit/client/cli/fake_vxd.h"
#include "tests/unit/client/cli/vxctl.h"

namespace vx::cli {
namespace {

using testing::HasSubstr;

CommandResult Line(const std::string& line) {
  std::vector<std::string> words = absl::StrSplit(line, ' ');
  words.insert(words.begin(), VXCTL);
  auto result = RunCommand(words, absl::Seconds(60));
  EXPECT_TRUE(result.ok()) << result.status();
  return *std::move(result);
}

// No daemon is needed to be told of a mistake.
class Misuse : public testing::TestWithParam<const char*> {};

TEST_P(Misuse, Exits2AndSaysWhatIsWrong) {
  CommandResult result = Line(std::string("--host unix:///nowhere/vxd.sock ") + GetParam());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err.substr(0, 7), "vxctl: ");
}

INSTANTIATE_TEST_SUITE_P(
    VxctlUsage, Misuse,
    testing::Values("frob", "ls --frob", "ls -o frob", "stop", "image", "image frob", "operation",
                    "create --kind=frob busybox", "create --kind=auto busybox", "create busybox",
                    "create --kind=vm", "create --kind=vm a b", "create --kind=vm -m 12Q busybox",
                    "create --kind=vm --cpus two busybox", "create --kind=vm -p 80 busybox",
                    "create --kind=vm -v /data busybox", "create --kind=vm --restart maybe busybox",
                    "create --kind=vm --env-file /nowhere/env busybox",
                    "create --kind=vm -e VX_NOT_THERE busybox",
                    "create --kind=vm --gpus all busybox",
                    "create --kind=vm --name x --image busybox y", "run --kind=vm -it busybox",
                    "run --kind=vm --no-wait busybox", "run --kind=vm busybox echo hi",
                    "exec a", "attach", "attach a --detach-keys nokey",
                    "attach a --detach-keys ctrl-1", "run -it --kind=vm --detach-keys ctrl-- busybox",
                    "kill -s FROB a", "stop -t soon a", "wait a --timeout soon", "wait a --for=dancing", "logs a --tail few", "logs a --since yesterday", "logs",
                    "events --since yesterday", "--progress=loud ls", "--host"));

TEST(VxctlUsage, NamesTheKindsThatThereAre) {
  EXPECT_THAT(Line("create --kind=frob busybox").err, HasSubstr("--kind=container or --kind=vm"));
}

TEST(VxctlUsage, ACommandGoesBehindDashes) {
  EXPECT_THAT(Line("run --kind=vm busybox echo hi").err, HasSubstr("behind --: … -- echo hi"));
}

TEST(VxctlUsage, NoDaemonIs1WithAHint) {
  CommandResult result = Line("--host unix:///nowhere/vxd.sock ls");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err.substr(0, result.err.find('\n')),
            "vxctl: no vxd answers at /nowhere/vxd.sock (NO_DAEMON)");
  EXPECT_THAT(result.err, HasSubstr("\nhint: start it"));
}

TEST(VxctlUsage, OtherHostsAreNotReachedYet) {
  for (const char* host : {"tls://x:1", "office", "unix://relative"}) {
    EXPECT_EQ(Line(std::string("ls --host ") + host).exit_code, 2) << host;
  }
}

TEST(VxctlUsage, VersionNeedsNoDaemon) {
  CommandResult result = Line("version --host unix:///nowhere/vxd.sock");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("vxctl 0."));
}

class Help : public testing::TestWithParam<const char*> {};

TEST_P(Help, HasAnExample) {
  std::string verb = GetParam();
  CommandResult result = Line(verb + " --help");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("Usage: vxctl " + verb));
  EXPECT_THAT(result.out, HasSubstr("Examples:\n  vxctl "));
  EXPECT_EQ(Line("help " + verb).out, result.out);
}

INSTANTIATE_TEST_SUITE_P(VxctlUsage, Help,
                         testing::Values("create", "run", "launch", "start", "stop", "restart",
                                         "kill", "pause", "resume", "rm", "update", "ls", "inspect",
                                         "wait", "logs", "events", "operation", "operation ls",
                                         "operation inspect", "operation cancel", "operation wait",
                                         "image", "image ls", "image inspect", "image rm",
                                         "image import", "image export", "info", "doctor",
                                         "version"));

TEST(VxctlUsage, TheOverviewListsTheVerbs) {
  CommandResult result = Line("--help");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("\n  create "));
  EXPECT_THAT(result.out, HasSubstr("\n  doctor "));
}

}  // namespace
}  // namespace vx::cli
