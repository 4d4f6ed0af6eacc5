#include "client/cli/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class CommandLine : public testing::Test {
 protected:
  Parsed Parse(std::vector<std::string> words) {
    std::vector<Verb> verbs = {
        {"go", {"run"}, "Goes", [this](Arguments& arguments) { return DeclareGo(arguments); }},
        {"box", {}, "Boxes", [this](Arguments& arguments) { return DeclareBox(arguments); }}};
    return ParseCommandLine(std::move(words), verbs, {"later"}, [this](Arguments& arguments) {
      arguments.Option("--host", &host_, "HOST", "Where");
    });
  }

  Action DeclareGo(Arguments& arguments) {
    arguments.Words("NAME", &names_, "Names", false);
    arguments.Flag("-f,--force", &force_, "Force");
    arguments.List("-e,--env", &env_, "K=V", "Variables");
    arguments.Option("-t,--time", &time_, "TIME", "Time");
    arguments.NotYet("--gpus", true);
    arguments.Command(&command_);
    return [](Context&) { return 0; };
  }

  Action DeclareBox(Arguments& arguments) {
    arguments.Verb("ls", "Lists", [this](Arguments& below) {
      below.Word("NAME", &word_, "Name");
      below.Example("vxctl box ls x");
      return [](Context&) { return 5; };
    });
    return nullptr;
  }

  std::string host_;
  std::vector<std::string> names_;
  std::vector<std::string> env_;
  std::vector<std::string> command_;
  std::optional<std::string> time_;
  std::string word_;
  bool force_ = false;
};

TEST_F(CommandLine, TakesFlagsBeforeAndBehindTheVerb) {
  Parsed parsed = Parse({"--host", "go", "go", "a", "-f", "b"});
  EXPECT_TRUE(parsed.error.ok()) << parsed.error;
  EXPECT_TRUE(parsed.action);
  EXPECT_EQ(host_, "go");
  EXPECT_THAT(names_, ElementsAre("a", "b"));
  EXPECT_TRUE(force_);
  EXPECT_TRUE(Parse({"go", "--host=x"}).error.ok());
  EXPECT_EQ(host_, "x");
}

TEST_F(CommandLine, AListFlagTakesOneWordEachTime) {
  EXPECT_TRUE(Parse({"go", "-e", "A=1", "name", "-e", "B=[x]", "--env={}"}).error.ok());
  EXPECT_THAT(env_, ElementsAre("A=1", "B=[x]", "{}"));
  EXPECT_THAT(names_, ElementsAre("name"));
}

TEST_F(CommandLine, WordsThatAreVerbsAreNamesBehindAVerb) {
  EXPECT_TRUE(Parse({"go", "box", "go", "ls"}).error.ok());
  EXPECT_THAT(names_, ElementsAre("box", "go", "ls"));
  EXPECT_TRUE(Parse({"box", "ls", "ls"}).error.ok());
  EXPECT_EQ(word_, "ls");
}

TEST_F(CommandLine, WhatIsBehindDashesIsTheCommandAsItIs) {
  EXPECT_TRUE(Parse({"go", "a", "--", "sh", "-f", "--", "--host"}).error.ok());
  EXPECT_THAT(command_, ElementsAre("sh", "-f", "--", "--host"));
  EXPECT_FALSE(force_);
  EXPECT_THAT(names_, ElementsAre("a"));
}

TEST_F(CommandLine, DashesProtectAWordWhereNoCommandIsTaken) {
  EXPECT_TRUE(Parse({"box", "ls", "--", "-odd"}).error.ok());
  EXPECT_EQ(word_, "-odd");
}

TEST_F(CommandLine, KnowsAliases) { EXPECT_TRUE(Parse({"run", "a"}).action); }

TEST_F(CommandLine, FindsVerbsBelowVerbs) {
  Parsed parsed = Parse({"box", "ls", "x"});
  ASSERT_TRUE(parsed.action);
  Context context({});
  EXPECT_EQ(parsed.action(context), 5);
}

TEST_F(CommandLine, ErrorsAreMisuse) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"frob"},
                                             {"go", "--frob"},
                                             {"go", "-t"},
                                             {"go", "-t", "1", "-t", "2"},
                                             {"box"},
                                             {"box", "frob"},
                                             {"box", "ls"},
                                             {"box", "ls", "a", "b"},
                                             {"--frob"},
                                             {"--host"}}) {
    Parsed parsed = Parse(words);
    EXPECT_EQ(ExitStatus(parsed.error), 2) << testing::PrintToString(words);
    EXPECT_NE(ErrorHint(parsed.error), "") << testing::PrintToString(words);
    EXPECT_FALSE(parsed.action);
  }
}

TEST_F(CommandLine, WhatIsStillToComeSaysSo) {
  EXPECT_EQ(ErrorReason(Parse({"later", "x"}).error), "NOT_YET");
  Parsed parsed = Parse({"go", "--gpus", "all"});
  EXPECT_EQ(ErrorReason(parsed.error), "NOT_YET");
  EXPECT_THAT(std::string(parsed.error.message()), HasSubstr("--gpus"));
}

TEST_F(CommandLine, HelpIsOfTheVerbThatIsNamed) {
  EXPECT_THAT(Parse({"--help"}).help, HasSubstr("box"));
  EXPECT_THAT(Parse({"go", "--help"}).help, HasSubstr("Usage: vxctl go"));
  EXPECT_THAT(Parse({"box", "ls", "-h"}).help, HasSubstr("Usage: vxctl box ls"));
  EXPECT_THAT(Parse({"box", "ls", "-h"}).help, HasSubstr("vxctl box ls x"));
  EXPECT_EQ(Parse({"help", "go"}).help, Parse({"go", "--help"}).help);
}

}  // namespace
}  // namespace vx::cli
