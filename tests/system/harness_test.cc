// The harness itself: what it looks for after a test, it finds; what must not
// hang, does not.
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/system/harness/child.h"
#include "tests/system/harness/leftovers.h"

namespace vx::system_test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class LeftoversTest : public testing::Test {
 protected:
  LeftoversTest() { mkdir(dir_.c_str(), 0700); }
  ~LeftoversTest() override { rmdir(dir_.c_str()); }
  std::string dir_ = absl::StrCat("/tmp/vx-test-harness-", getpid());
};

TEST_F(LeftoversTest, FindsNothingWhereNothingIs) {
  EXPECT_THAT(FindLeftovers(dir_, "0123abcd"), IsEmpty());
}

TEST_F(LeftoversTest, FindsAProcessThatNamesTheFolder) {
  Child child({"tail", "-f", "/dev/null", dir_});
  ASSERT_TRUE(child.WaitForOutput("/dev/null"));
  EXPECT_THAT(FindLeftovers(dir_, ""), ElementsAre(HasSubstr("process ")));
}

TEST_F(LeftoversTest, WaitsForAProcessThatIsAboutToEnd) {
  Child child({"sh", "-c", "echo up; sleep 0.3; true", dir_});
  ASSERT_TRUE(child.WaitForOutput("up"));
  EXPECT_THAT(FindLeftovers(dir_, ""), IsEmpty());
}

TEST_F(LeftoversTest, FindsAMount) {
  ASSERT_EQ(mount("none", dir_.c_str(), "tmpfs", 0, nullptr), 0);
  EXPECT_THAT(FindLeftovers(dir_, ""), ElementsAre(HasSubstr("mount: ")));
  umount(dir_.c_str());
}

TEST_F(LeftoversTest, FindsACgroup) {
  std::string root = PathExists("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
  std::string id = absl::StrCat("test", getpid());
  std::string path = absl::StrCat(root, "/vx-", id);
  ASSERT_EQ(mkdir(path.c_str(), 0755), 0);
  EXPECT_THAT(FindLeftovers(dir_, id), ElementsAre(HasSubstr(path)));
  rmdir(path.c_str());
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
