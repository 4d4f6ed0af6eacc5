// The harness itself: what it looks for after a test, it finds; what must not
// hang, does not.
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/system/harness/child.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using LeftoversTest = OwnDaemonTest;

// What the judge finds is proved by its own tests; here, that it is asked.
TEST_F(LeftoversTest, OfAWorkloadThatThereIsNotAreFoundWhileTheDaemonRuns) {
  vx_.Start();
  const std::string bundle = vx_.state_dir() + "/container/00112233445566778899aabbccddeeff";
  ASSERT_TRUE(MakeDirs(bundle, 0700).ok());
  EXPECT_THAT(vx_.Leftovers(absl::Seconds(1)), ElementsAre(HasSubstr(bundle)));
  rmdir(bundle.c_str());
}

TEST_F(LeftoversTest, OfWorkloadsThatThereAreAreNone) {
  vx_.Start();
  ASSERT_THAT(vx_.Vxctl({"create", "--kind=container", "--name", "made", "busybox"}), Succeeds());
  ASSERT_THAT(vx_.Vxctl({"run", "-d", "--kind=container", "--name", "runs", "busybox", "--",
                         "sleep", "1000"}),
              Succeeds());
  EXPECT_THAT(vx_.Leftovers(), IsEmpty());
}

TEST_F(LeftoversTest, OfADaemonThatEndedAreFoundByItsId) {
  vx_.Start();
  const std::string id = vx_.VxctlJson({"info"})["instanceId"];
  const std::string root =
      PathExists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
  const std::string group = absl::StrCat(root, "/vx-", id);
  EXPECT_EQ(vx_.Stop(), 0);
  ASSERT_EQ(mkdir(group.c_str(), 0755), 0);
  EXPECT_THAT(vx_.Leftovers(absl::Seconds(1)), ElementsAre(HasSubstr(group)));
  rmdir(group.c_str());
}

TEST(ChildTest, KeepsBothStreamsAndTheExitStatus) {
  Result result = RunProgram({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.code, 3);
}

TEST(ChildTest, TellsADeathBySignalAsAShellDoes) {
  EXPECT_EQ(RunProgram({"sh", "-c", "kill -9 $$"}).code, 137);
}

TEST(ChildTest, EndsAProgramThatDoesNot) {
  absl::Time begin = absl::Now();
  EXPECT_EQ(RunProgram({"sleep", "600"}, {}, absl::Milliseconds(100)).code, -1);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(60));
}

TEST(ChildTest, StopsWaitingForOutputWhenTheProgramEnds) {
  Child child({"echo", "one"});
  EXPECT_FALSE(child.WaitForOutput("two"));
}

}  // namespace
}  // namespace vx::system_test
