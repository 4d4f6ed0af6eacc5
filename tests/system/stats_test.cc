// What workloads use, as a user asks for it: the same for both kinds.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

class StatsTest : public EachKindTest {
 protected:
  // Of one workload, of the last two seconds.
  static Json Stats(const std::string& name) {
    Json all = vx().VxctlJson({"stats", "--no-stream", "--interval", "2s", name});
    EXPECT_EQ(all.size(), 1u) << all;
    return all.size() == 1 ? all[0] : Json::object();
  }
};
VX_EACH_KIND(StatsTest);

TEST_P(StatsTest, ABusyLoopUsesItsShareOfAProcessor) {
  RunDetached("busy", "echo up; while :; do :; done", {"--cpus", "0.5", "-m", "128M"});
  ASSERT_TRUE(vx().WaitForLog("busy", "up"));
  RunDetached("idle", "echo up; sleep 600", {"-m", "128M"});
  ASSERT_TRUE(vx().WaitForLog("idle", "up"));
  const Json busy = Stats("busy");
  EXPECT_EQ(busy["kind"], GetParam());
  EXPECT_GT(busy["cpus"], 0.2) << busy;
  EXPECT_LT(busy["cpus"], 0.75) << busy;
  const Json idle = Stats("idle");
  EXPECT_LT(idle["cpus"], busy["cpus"]) << idle;
}

TEST_P(StatsTest, MemoryThatIsTakenIsSeen) {
  // "true", so that the shell stays.
  RunDetached("large", "x=$(head -c 33554432 /dev/zero | tr '\\0' x); echo up; sleep 600; true",
              {"-m", "192M"});
  RunDetached("small", "echo up; sleep 600", {"-m", "192M"});
  ASSERT_TRUE(vx().WaitForLog("large", "up"));
  ASSERT_TRUE(vx().WaitForLog("small", "up"));
  const Json large = Stats("large")["usage"];
  const Json small = Stats("small")["usage"];
  const int64_t more = large["memoryBytes"].get<int64_t>() - small["memoryBytes"].get<int64_t>();
  EXPECT_GE(more, 20 << 20) << large << small;
  EXPECT_EQ(large["memoryLimitBytes"], 192 << 20) << large;
  // Only its agent can count what runs inside a machine.
  EXPECT_TRUE(vm() || large["pids"] == 2) << large;
}

TEST_P(StatsTest, ATableHasALineForEachThatRuns) {
  RunDetached("w", "sleep 600", {"-m", "128M"});
  ASSERT_THAT(Vxctl({"create", kind_flag(), "--name", "still", "busybox", "--", "true"}),
              Succeeds());
  Result result = Vxctl({"stats", "--no-stream"});
  ASSERT_THAT(result, Succeeds()) << result;
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 2u) << result;
  EXPECT_THAT(lines[0], testing::StartsWith("NAME   KIND"));
  EXPECT_THAT(lines[1], testing::StartsWith(absl::StrCat("w      ", GetParam())));
  EXPECT_THAT(lines[1], HasSubstr("128M"));
  EXPECT_THAT(result.out, Not(HasSubstr("still")));
}

TEST_P(StatsTest, AStreamGoesOnUntilItsWorkloadIsRemoved) {
  RunDetached("w", "sleep 600");
  auto stream = vx().VxctlInBackground({"stats", "w", "--interval", "100ms", "-o", "jsonl"});
  ASSERT_TRUE(stream->WaitForOutput("\"name\":\"w\""));
  ASSERT_THAT(Vxctl({"rm", "-f", "w"}), Succeeds());
  const Result result = stream->Wait();
  EXPECT_THAT(result, Succeeds()) << result;
  EXPECT_THAT(result.out, Not(HasSubstr("\x1b")));
}

}  // namespace
}  // namespace vx::system_test
