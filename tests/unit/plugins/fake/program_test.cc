#include "plugins/fake/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace vx::fake {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ProgramTest, StepsArePartedBySemicolonWords) {
  const std::vector<Step> steps = ParseProgram({"echo", "a b", ";", ";", "exit", "7"});
  ASSERT_EQ(steps.size(), 2u);
  EXPECT_EQ(steps[0].verb, "echo");
  EXPECT_THAT(steps[0].args, ElementsAre("a b"));
  EXPECT_EQ(steps[1].Arg(0), "7");
  EXPECT_EQ(steps[1].Arg(1, "none"), "none");
}

TEST(ProgramTest, ShellTextIsTheSameProgram) {
  const std::vector<Step> steps = ParseProgram({"sh", "-c", "echo 'hi' ;sleep 2;  exit 7"});
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_THAT(steps[0].args, ElementsAre("hi"));
  EXPECT_EQ(steps[1].verb, "sleep");
  EXPECT_EQ(steps[2].Arg(0), "7");
}

TEST(ProgramTest, TrapTermIsAHandlerThatDoesNothing) {
  const std::vector<Step> steps = ParseProgram({"trap-term"});
  ASSERT_EQ(steps.size(), 1u);
  EXPECT_EQ(steps[0].verb, "on");
  EXPECT_THAT(steps[0].args, ElementsAre("TERM", "true"));
}

TEST(ProgramTest, NothingIsNoStep) {
  EXPECT_THAT(ParseProgram({}), IsEmpty());
  EXPECT_THAT(ParseProgram({"sh", "-c", " ; "}), IsEmpty());
}

TEST(ProgramTest, ExecErrorsAreThoseOfRealCommands) {
  EXPECT_EQ(ExecError({"true", {}}), 0);
  EXPECT_EQ(ExecError({"no-such-command", {}}), ENOENT);
  EXPECT_EQ(ExecError({"/not-executable", {}}), EACCES);
}

}  // namespace
}  // namespace vx::fake
