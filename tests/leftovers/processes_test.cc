// Processes, by each thing that ties one to an instance.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "tests/leftovers/fixture.h"

namespace vx::leftovers {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ProcessesTest : public LeftoversTest {
 protected:
  // A line for the process, which tells why.
  static testing::Matcher<const std::string&> Process(pid_t pid, const std::string& why) {
    return AllOf(Is("process", why), HasSubstr(" " + std::to_string(pid) + "@"));
  }

  const std::string uid_ = NewUid();
};

TEST_F(ProcessesTest, OneThatWasStartedWithAFolderIsFound) {
  Spawned child({.argv = {runtime() + "/x", "100"}, .program = kSleep});
  EXPECT_THAT(Found(), Contains(Process(child.pid(), "it was started with " + runtime() + "/x")));
}

TEST_F(ProcessesTest, OneThatWasStartedWithTheIdIsFound) {
  Spawned child({.argv = {"guest=" + name(), "100"}, .program = kSleep});
  EXPECT_THAT(Found(), Contains(Process(child.pid(), "guest=" + name())));
}

TEST_F(ProcessesTest, OneThatStandsInAFolderIsFound) {
  Spawned child({.argv = {kSleep, "100"}, .cwd = runtime()});
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "its cwd is " + runtime())));
}

TEST_F(ProcessesTest, OneIsFoundThoughTheFolderIsCalledByALink) {
  const std::string link = elsewhere() + "/link";
  ASSERT_EQ(symlink(runtime().c_str(), link.c_str()), 0);
  instance().runtime_dir = link;
  Spawned child({.argv = {kSleep, "100"}, .cwd = runtime()});
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "its cwd is " + runtime())));
}

TEST_F(ProcessesTest, OneWithAFileOpenIsFound) {
  MakeFile(state() + "/log");
  Forked child([&] { return open((state() + "/log").c_str(), O_RDONLY) >= 0; });
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), " is " + state() + "/log")));
}

TEST_F(ProcessesTest, OneWithADeletedFileOpenIsFound) {
  MakeFile(state() + "/log");
  Forked child([&] { return open((state() + "/log").c_str(), O_RDONLY) >= 0; });
  unlink((state() + "/log").c_str());
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), state() + "/log (deleted)")));
}

TEST_F(ProcessesTest, OneWhoseEnvironmentNamesAFolderIsFound) {
  Spawned child({.argv = {kSleep, "100"}, .env = {"HOME=" + runtime() + "/home"}});
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "its environment has HOME=")));
}

TEST_F(ProcessesTest, OneWhoseProgramIsInAFolderIsFound) {
  std::filesystem::copy_file(kSleep, runtime() + "/program");
  Spawned child({.argv = {runtime() + "/program", "100"}});
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "its program is " + runtime())));
}

TEST_F(ProcessesTest, OneOfTheProgramsFolderIsFoundWhateverItDoes) {
  const std::string program = elsewhere() + "/bin/vxd";
  MakeDir(elsewhere() + "/bin");
  std::filesystem::copy_file(kSleep, program);
  Spawned child({.argv = {program, "100"}});
  scope() = Scope{.programs = elsewhere() + "/bin"};
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "its program is " + program)));
}

TEST_F(ProcessesTest, OneThatNamesNothingIsNone) {
  Spawned child({.argv = {kSleep, "100"}, .cwd = elsewhere()});
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ProcessesTest, OneOfAWorkloadThatRunsIsNone) {
  MakeDir(runtime() + "/" + uid_);
  Spawned child(
      {.argv = {kSleep, "100"}, .env = {"HOME=" + runtime()}, .cwd = runtime() + "/" + uid_});
  EXPECT_THAT(Found(), Contains(Process(child.pid(), "its cwd is ")));
  instance().running = {uid_};
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ProcessesTest, TheDaemonsOwnIsNoneWhileItRuns) {
  Spawned child({.argv = {"--state-dir=" + state(), "100"}, .program = kSleep});
  instance().alive = true;
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ProcessesTest, ADaemonThatHoldsAFileOfARemovedWorkloadIsFound) {
  const std::string log = state() + "/container/" + uid_ + "/log";
  MakeFile(log);
  Forked child([&] { return open(log.c_str(), O_RDONLY) >= 0; });
  std::filesystem::remove_all(state() + "/container");
  instance().alive = true;
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), uid_ + "/log (deleted)")));
}

TEST_F(ProcessesTest, ADeadChildThatNobodyWaitedForIsFound) {
  Forked child([] { return true; });
  EXPECT_THAT(Found(), IsEmpty());
  child.End();
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "ended, and its parent")));
}

TEST_F(ProcessesTest, ADeadChildThatADaemonForgotIsFound) {
  Forked daemon([&] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info = {};
    waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT);
    return chdir(runtime().c_str()) == 0;
  });
  instance().alive = true;
  const std::string parent = std::to_string(daemon.pid());
  EXPECT_THAT(Found(), ElementsAre(Is("process", "ended, and its parent " + parent)));
}

TEST_F(ProcessesTest, ADeadChildOfAnotherIsItsOwnAffair) {
  instance().alive = true;
  Forked stranger([&] {
    const pid_t child = fork();
    if (child == 0) _exit(0);
    siginfo_t info = {};
    return waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0;
  });
  EXPECT_THAT(Found(), IsEmpty());
}

TEST_F(ProcessesTest, LivingChildrenCountOnRequest) {
  Forked child([] { return true; });
  scope().children = true;
  EXPECT_THAT(Found(), ElementsAre(Process(child.pid(), "a child of ")));
}

TEST_F(ProcessesTest, TheTesterMayNameWhatItLikes) {
  const int fd = open(state().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_THAT(Found(), IsEmpty());
  close(fd);
}

}  // namespace
}  // namespace vx::leftovers
