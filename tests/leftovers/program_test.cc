// vx-leftovers as a script runs it, and what it waits for.
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/leftovers/fixture.h"

namespace vx::leftovers {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct Outcome {
  int code = -1;
  std::string out;
};

// By way of a shell, both streams in one.
Outcome Ask(const std::string& arguments) {
  Outcome outcome;
  FILE* stream = popen((VX_LEFTOVERS " " + arguments + " 2>&1").c_str(), "re");
  char text[4096];
  while (size_t n = fread(text, 1, sizeof text, stream)) outcome.out.append(text, n);
  const int status = pclose(stream);
  if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
  return outcome;
}

class ProgramTest : public LeftoversTest {
 protected:
  // What its shells name is not the test's to find.
  std::string ThisInstance() const {
    return "--state-dir " + state() + " --runtime-dir " + runtime() + " --claims /dev/null ";
  }
  const std::string uid_ = NewUid();
};

TEST_F(ProgramTest, SaysNothingAndEndsWith0WhenThereIsNothing) {
  const Outcome outcome = Ask(ThisInstance());
  EXPECT_EQ(outcome.code, 0) << outcome.out;
}

TEST_F(ProgramTest, SaysALineForEachAndEndsWith1) {
  MakeFile(state() + "/incoming/one");
  MakeFile(state() + "/incoming/two");
  const Outcome outcome = Ask(ThisInstance());
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("file " + state() + "/incoming/one: half made"));
  EXPECT_THAT(outcome.out, HasSubstr("file " + state() + "/incoming/two: half made"));
}

TEST_F(ProgramTest, TakesTheWorkloadsThatThereAre) {
  MakeFile(state() + "/container/" + uid_ + "/log");
  EXPECT_EQ(Ask(ThisInstance() + "--workload " + uid_).code, 0);
  EXPECT_EQ(Ask(ThisInstance() + "--running " + uid_).code, 0);
  EXPECT_EQ(Ask(ThisInstance() + "--workload " + NewUid()).code, 1);
}

TEST_F(ProgramTest, TakesTheIdWhenTheFolderDoesNotSayIt) {
  unlink((state() + "/instance-id").c_str());
  MakeFile(elsewhere() + "/claims", "1879048192 " + id() + " " + uid_ + "\n");
  const std::string folders = "--state-dir " + state() + " --runtime-dir " + runtime();
  const std::string claims = " --claims " + elsewhere() + "/claims";
  EXPECT_EQ(Ask(folders + claims).code, 0);
  EXPECT_EQ(Ask(folders + claims + " --instance " + id()).code, 1);
}

TEST_F(ProgramTest, LeavesOutWhatWasThereBefore) {
  const std::string saved = elsewhere() + "/before";
  MakeFile(state() + "/incoming/old");
  EXPECT_EQ(Ask(ThisInstance() + "--save " + saved).code, 0);
  EXPECT_EQ(Ask(ThisInstance() + "--since " + saved).code, 0);
  MakeFile(state() + "/incoming/new");
  const Outcome outcome = Ask(ThisInstance() + "--since " + saved);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(outcome.out, HasSubstr("file " + state() + "/incoming/new"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("/incoming/old")));
}

TEST_F(ProgramTest, RefusesWhatItDoesNotUnderstandWith2) {
  EXPECT_THAT(Ask("").out, HasSubstr("say what to look for"));
  for (const std::string& arguments :
       {std::string(""), std::string("--nonsense"), std::string("--host more"),
        std::string("--host --wait soon"), std::string("--host --wait -1"),
        std::string("--dir relative"), std::string("--state-dir /only"),
        std::string("--host --since /nonexistent"), std::string("--host --save /nonexistent/x"),
        std::string("--host --save /a --since /b"), std::string("--children --tester none"),
        ThisInstance() + "--instance vx", ThisInstance() + "--workload web"}) {
    EXPECT_EQ(Ask(arguments).code, 2) << arguments;
  }
}

TEST_F(ProgramTest, RefusesAFileThatItDidNotWrite) {
  MakeFile(elsewhere() + "/before", "something else\n");
  EXPECT_EQ(Ask(ThisInstance() + "--since " + elsewhere() + "/before").code, 2);
}

TEST_F(ProgramTest, HelpEndsWith0) { EXPECT_EQ(Ask("--help").code, 0); }

TEST_F(LeftoversTest, WhatIsOnItsWayOutIsWaitedFor) {
  MakeFile(state() + "/incoming/upload");
  std::thread later([path = state() + "/incoming/upload"] {
    std::this_thread::sleep_for(milliseconds(100));
    unlink(path.c_str());
  });
  EXPECT_THAT(LookAfter(scope(), {}, seconds(60)).Lines(), IsEmpty());
  later.join();
}

TEST_F(LeftoversTest, WhatStaysIsFoundAndWhatCameLateIsNot) {
  MakeFile(state() + "/incoming/stays");
  std::thread later([path = state() + "/incoming/late"] {
    std::this_thread::sleep_for(milliseconds(900));
    MakeFile(path);
  });
  EXPECT_THAT(LookAfter(scope(), {}, milliseconds(1000)).Lines(),
              ElementsAre(Is("file", "/incoming/stays")));
  later.join();
}

TEST_F(LeftoversTest, WhatIsSavedIsLoadedAgain) {
  const std::string path = elsewhere() + "/saved";
  const std::set<Finding> findings = {{"mount", "/a b", "why"}, {"process", "1@2", "x: y"}};
  ASSERT_EQ(Save(findings, path), 0);
  EXPECT_EQ(Load(path), findings);
  EXPECT_EQ(Load(path + ".not"), std::nullopt);
  EXPECT_NE(Save(findings, "/nonexistent/saved"), 0);
}

TEST_F(LeftoversTest, LookingChangesNothing) {
  scope().here = scope().host = scope().children = true;
  scope().dirs = {"/tmp"};
  const auto fds = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  const auto before = fds();
  Look(scope());
  EXPECT_EQ(fds(), before);
}

}  // namespace
}  // namespace vx::leftovers
