// The serial console of a VM, as a user sits at it.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/unique_fd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;
using testing::Not;

// Somebody who has said `vxctl console NAME`, and types. Both streams are one.
class Seat {
 public:
  Seat(const Daemon& vx, const std::string& name)
      : fifo_(absl::StrCat(vx.dir(), "/keys-", ++count_)) {
    EXPECT_EQ(mkfifo(fifo_.c_str(), 0600), 0);
    // Both ends, so that it never ends.
    keys_.reset(open(fifo_.c_str(), O_RDWR | O_CLOEXEC));
    child_ = std::make_unique<Child>(
        Words{"sh", "-c",
              absl::StrCat("exec ", Program("vxctl"), " console ", name, " <", fifo_, " 2>&1")},
        Words{"VX_HOST=unix://" + vx.socket()});
  }
  ~Seat() {
    child_.reset();
    unlink(fifo_.c_str());
  }

  void Type(const std::string& keys) {
    EXPECT_EQ(write(keys_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  bool Shows(const std::string& text) { return child_->WaitForOutput(text); }
  // With ctrl-].
  Result Leave() {
    Type("\035");
    return child_->Wait();
  }

 private:
  static inline int count_ = 0;
  const std::string fifo_;
  UniqueFd keys_;
  std::unique_ptr<Child> child_;
};

class ConsoleTest : public SharedDaemonTest {
 protected:
  // A VM on whose serial line a shell sits.
  static void RunShellOnConsole(const std::string& name) {
    ASSERT_THAT(
        Vxctl({"run", "-d", "--kind=vm", "--name", name, "-m", "128M", "busybox", "--", "sh", "-c",
               "setsid sh -c 'stty -echo; echo shell is up; exec sh -i' "
               "</dev/ttyS0 >/dev/ttyS0 2>&1 & sleep 100000"}),
        Succeeds());
    auto log = vx().VxctlInBackground({"logs", "--console", "-f", name});
    ASSERT_TRUE(log->WaitForOutput("shell is up"));
  }

  // Who watches shows what is said from then on that they do: nobody knows since when.
  static void TypeUntilSeen(Seat& seat, Child& viewer, const std::string& keys,
                            const std::string& text) {
    bool seen = false;
    for (int i = 0; i < 30 && !seen; ++i) {
      seat.Type(keys);
      seen = viewer.WaitForOutput(text, absl::Seconds(2));
    }
    EXPECT_TRUE(seen) << text;
  }
};

TEST_F(ConsoleTest, OneTypesAndAllWatch) {
  RunShellOnConsole("db");
  auto viewer = vx().VxctlInBackground({"console", "--no-stdin", "db"});
  auto log = vx().VxctlInBackground({"logs", "--console", "-f", "db"});
  Seat seat(vx(), "db");
  TypeUntilSeen(seat, *viewer, "echo $((6*7)) is the answer\r", "42 is the answer");
  EXPECT_TRUE(seat.Shows("42 is the answer"));
  EXPECT_TRUE(log->WaitForOutput("42 is the answer"));
  EXPECT_EQ(seat.Leave().code, 0);
  EXPECT_EQ(vx().State("db"), "running");
}

TEST_F(ConsoleTest, TheSecondWhoTypesOnlyWatchesAndIsToldSo) {
  RunShellOnConsole("db");
  Seat first(vx(), "db");
  first.Type("echo first $((1+1))\r");
  ASSERT_TRUE(first.Shows("first 2"));
  Seat second(vx(), "db");
  ASSERT_TRUE(second.Shows("you only watch it (CONSOLE_BUSY)"));
  second.Type("echo never $((1+1))\r");
  first.Type("echo second $((1+2))\r");
  EXPECT_TRUE(second.Shows("second 3"));
  EXPECT_EQ(second.Leave().code, 0);
  const Result result = first.Leave();
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.out, Not(HasSubstr("never")));
  // Who comes later may type again.
  Seat third(vx(), "db");
  third.Type("echo third $((2+2))\r");
  EXPECT_TRUE(third.Shows("third 4"));
}

TEST_F(ConsoleTest, CtrlBracketLeavesATerminal) {
  RunShellOnConsole("db");
  // Who types waits until the terminal is the console's, which drops what was typed before,
  // and then for the answer; ctrl-] leaves.
  const std::string screen = vx().dir() + "/screen";
  const std::string keys =
      absl::StrCat("await() { for i in $(seq 100); do grep -q \"$1\" ", screen,
                   " && break; sleep 0.2; done; }; await 'ctrl-] leaves'; "
                   "printf 'echo $((5*5)) is the answer\\r'; await '25 is'; printf '\\035'");
  Result result = RunProgram({"sh", "-c",
                              absl::StrCat("{ ", keys, "; } | script -qefc \"", Program("vxctl"),
                                           " console db\" ", screen)},
                             {"VX_HOST=unix://" + vx().socket(), "TERM=xterm"}, absl::Seconds(60));
  EXPECT_EQ(result.code, 0) << result;
  EXPECT_THAT(result.out, HasSubstr("25 is the answer"));
  EXPECT_THAT(result.out, HasSubstr("left db running"));
}

TEST_F(ConsoleTest, TheKernelsMessagesAreInItsLogAndNotInTheCommands) {
  ASSERT_THAT(Vxctl({"run", "-d", "--kind=vm", "--name", "w", "-m", "128M", "busybox", "--", "sh",
                     "-c", "echo '<1>spoken by the kernel' > /dev/kmsg; echo out; sleep 100000"}),
              Succeeds());
  auto console = vx().VxctlInBackground({"logs", "--console", "-f", "w"});
  EXPECT_TRUE(console->WaitForOutput("spoken by the kernel"));
  ASSERT_TRUE(vx().WaitForLog("w", "out"));
  EXPECT_THAT(vx().Logs("w"), Not(HasSubstr("spoken by the kernel")));
  Result tail = Vxctl({"logs", "--console", "--tail", "1", "--timestamps", "w"});
  EXPECT_THAT(tail.out, testing::ContainsRegex("^[0-9]{4}-[0-9-]+T[0-9:.]+Z .*spoken"));
}

TEST_F(ConsoleTest, SurvivesARestartOfTheDaemon) {
  RunShellOnConsole("db");
  auto console = vx().VxctlInBackground({"console", "--no-stdin", "db"});
  Seat seat(vx(), "db");
  TypeUntilSeen(seat, *console, "echo before $((2+1))\r", "before 3");
  vx().Kill();
  vx().Start();
  seat.Type("echo again $((2+2))\r");
  EXPECT_TRUE(seat.Shows("again 4"));
  EXPECT_TRUE(console->WaitForOutput("again 4"));
}

TEST_F(ConsoleTest, AContainerHasNoLogOfOne) {
  ASSERT_THAT(
      Vxctl({"run", "-d", "--kind=container", "--name", "web", "busybox", "--", "sleep", "100000"}),
      Succeeds());
  EXPECT_THAT(Vxctl({"logs", "--console", "web"}),
              FailsSaying(1, {"NO_CONSOLE", "\"web\" is a container", "hint: "}));
}

TEST_F(ConsoleTest, AFloodIsBounded) {
  ASSERT_THAT(
      Vxctl({"run", "-d", "--kind=vm", "--name", "w", "-m", "128M", "busybox", "--", "sh", "-c",
             "yes flood > /dev/ttyS0 & echo up; while :; do echo tick; sleep 1; done"}),
      Succeeds());
  ASSERT_TRUE(vx().WaitForLog("w", "up\ntick\ntick\ntick\n"));
  EXPECT_THAT(Vxctl({"logs", "--console", "--tail", "1", "w"}).out, HasSubstr("flood"));
  EXPECT_THAT(Vxctl({"stop", "-t", "1s", "w"}), Succeeds());
}

}  // namespace
}  // namespace vx::system_test
