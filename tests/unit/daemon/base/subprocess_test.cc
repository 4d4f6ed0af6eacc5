#include "daemon/base/subprocess.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/unique_fd.h"

namespace vx {
namespace {

constexpr absl::Duration kFarAway = absl::Minutes(10);

CommandResult MustRun(std::vector<std::string> argv) {
  auto result = RunCommand(std::move(argv));
  EXPECT_TRUE(result.ok()) << result.status();
  return result.value_or(CommandResult{});
}

int Reap(pid_t pid) {
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

struct Pipe {
  UniqueFd read, write;
};

Pipe MakePipe() {
  int fds[2];
  EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::string ReadToEnd(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t n;
  while ((n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, n);
  return text;
}

TEST(RunCommandTest, ReturnsBothStreamsApartAndTheExitCode) {
  const CommandResult result = MustRun({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(RunCommandTest, ADeathBySignalIsSaidAsAShellDoes) {
  EXPECT_EQ(MustRun({"sh", "-c", "kill -KILL $$"}).exit_code, 128 + SIGKILL);
}

TEST(RunCommandTest, StdinIsEmpty) { EXPECT_EQ(MustRun({"cat"}).out, ""); }

TEST(RunCommandTest, AMissingProgramIsNotFoundAndNamed) {
  const absl::Status status = RunCommand({"no-such-program"}).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr("no-such-program"));
}

TEST(RunCommandTest, MoreOutputThanTheBoundIsReadAndDropped) {
  const CommandResult result = MustRun(
      {"sh", "-c", "head -c 6000000 /dev/zero | tr '\\0' x; head -c 6000000 /dev/zero >&2"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.size(), size_t{4} << 20);
  EXPECT_EQ(result.err.size(), size_t{4} << 20);
}

TEST(RunCommandTest, TheDeadlineKillsWhatStillWrites) {
  const absl::Status status =
      RunCommand({"sh", "-c", "while :; do echo x; done"}, absl::Milliseconds(100)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_EQ(ErrorReason(status), "COMMAND_TIMED_OUT");
}

TEST(RunCommandTest, TheDeadlineKillsWhatHasClosedItsOutput) {
  const absl::Time before = absl::Now();
  const absl::Status status =
      RunCommand({"sh", "-c", "exec >&- 2>&-; exec sleep 600"}, absl::Milliseconds(100)).status();
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_LT(absl::Now() - before, absl::Seconds(60));
}

TEST(RunCommandTest, DoesNotWaitForAChildThatTheProgramLeftBehind) {
  // The sleeper keeps the pipes open; its pid is the output.
  auto result = RunCommand({"sh", "-c", "sleep 600 & echo $!"}, kFarAway);
  ASSERT_TRUE(result.ok()) << result.status();
  int sleeper = 0;
  ASSERT_TRUE(absl::SimpleAtoi(result->out.substr(0, result->out.size() - 1), &sleeper));
  EXPECT_EQ(kill(sleeper, SIGKILL), 0);
}

TEST(RunCommandOkTest, GivesTheOutputOrTheLastComplaint) {
  EXPECT_EQ(RunCommandOk({"echo", "fine"}).value(), "fine\n");
  const absl::Status status =
      RunCommandOk({"sh", "-c", "echo first >&2; echo 'the last' >&2; exit 9"}).status();
  EXPECT_EQ(ErrorReason(status), "COMMAND_FAILED");
  EXPECT_EQ(status.message(), "sh failed (9): the last");
}

TEST(SpawnTest, UsesTheEnvironmentGivenAndNothingElse) {
  Pipe pipe = MakePipe();
  auto pid =
      Spawn({.argv = {"/usr/bin/env"}, .env = {"A=1", "B=2"}, .fds = {{pipe.write.get(), 1}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  pipe.write.reset();
  EXPECT_EQ(ReadToEnd(pipe.read.get()), "A=1\nB=2\n");
  Reap(*pid);
}

TEST(SpawnTest, MapsDescriptorsWhoseNumbersOverlap) {
  Pipe first = MakePipe(), second = MakePipe();
  const int a = first.write.get(), b = second.write.get();
  // Swapped: each is the other's target.
  auto pid =
      Spawn({.argv = {"sh", "-c",
                      "echo to-b >&" + std::to_string(b) + "; echo to-a >&" + std::to_string(a)},
             .fds = {{a, b}, {b, a}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_EQ(Reap(*pid), 0);
  first.write.reset();
  second.write.reset();
  EXPECT_EQ(ReadToEnd(first.read.get()), "to-b\n");
  EXPECT_EQ(ReadToEnd(second.read.get()), "to-a\n");
}

TEST(SpawnTest, MapsToHighNumbersThatOverlapToo) {
  Pipe first = MakePipe(), second = MakePipe();
  auto pid = Spawn({.argv = {"bash", "-c", "echo at-65 >&65; echo at-64 >&64"},
                    .fds = {{first.write.get(), 65}, {second.write.get(), 64}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_EQ(Reap(*pid), 0);
  first.write.reset();
  second.write.reset();
  EXPECT_EQ(ReadToEnd(first.read.get()), "at-65\n");
  EXPECT_EQ(ReadToEnd(second.read.get()), "at-64\n");
}

TEST(SpawnTest, TheChildHasNoDescriptorOfOurs) {
  Pipe pipe = MakePipe();
  UniqueFd ours(fcntl(pipe.read.get(), F_DUPFD_CLOEXEC, 200));
  auto pid = Spawn({.argv = {"ls", "/proc/self/fd"}, .fds = {{pipe.write.get(), 1}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  pipe.write.reset();
  const std::vector<std::string> seen = absl::StrSplit(ReadToEnd(pipe.read.get()), '\n');
  EXPECT_THAT(seen, testing::IsSupersetOf({"0", "1", "2"}));
  EXPECT_THAT(seen, testing::Not(testing::Contains(std::to_string(ours.get()))));
  Reap(*pid);
}

TEST(SpawnTest, TheChildHasNoneThatALibraryForgotToMark) {
  Pipe pipe = MakePipe(), other = MakePipe();
  UniqueFd low(fcntl(other.read.get(), F_DUPFD, 3)), high(fcntl(other.read.get(), F_DUPFD, 200));
  // Mapped above `low`, so that it is between two that the child gets.
  auto pid = Spawn({.argv = {"sh", "-c", "echo /proc/$$/fd/*"},
                    .fds = {{pipe.write.get(), 1}, {other.write.get(), low.get() + 1}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  pipe.write.reset();
  std::set<std::string> seen;
  for (absl::string_view path :
       absl::StrSplit(ReadToEnd(pipe.read.get()), absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    seen.emplace(path.substr(path.rfind('/') + 1));
  }
  EXPECT_THAT(seen, testing::Contains(std::to_string(low.get() + 1)));
  EXPECT_THAT(seen, testing::Not(testing::Contains(std::to_string(low.get()))));
  EXPECT_THAT(seen, testing::Not(testing::Contains(std::to_string(high.get()))));
  Reap(*pid);
}

// The signals that a line "SigXxx:\tMASK" of a process's status names.
uint64_t SignalMask(const std::string& status, const std::string& field) {
  uint64_t mask = ~uint64_t{0};
  const size_t at = status.find(field + ":\t");
  EXPECT_NE(at, std::string::npos) << status;
  EXPECT_TRUE(absl::SimpleHexAtoi(status.substr(at + field.size() + 2, 16), &mask));
  return mask;
}

TEST(SpawnTest, SignalsAreUnblockedAndAtTheirDefaults) {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto ignored = signal(SIGPIPE, SIG_IGN);
  const CommandResult result = MustRun({"cat", "/proc/self/status"});
  signal(SIGPIPE, ignored);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(SignalMask(result.out, "SigBlk"), 0u);
  // 32 and 33 are the C library's own.
  EXPECT_EQ(SignalMask(result.out, "SigIgn") & 0x7fffffff, 0u);
}

TEST(SpawnTest, ANewSessionIsTheChildsOwn) {
  auto pid = Spawn({.argv = {"sleep", "600"}, .new_session = true});
  ASSERT_TRUE(pid.ok()) << pid.status();
  EXPECT_EQ(getsid(*pid), *pid);
  kill(*pid, SIGKILL);
  Reap(*pid);
}

TEST(FindProgramTest, FindsWhatPathHas) {
  EXPECT_THAT(FindProgram("sh"), testing::EndsWith("/sh"));
  EXPECT_EQ(FindProgram("no-such-program"), "");
}

TEST(PidfdTest, WaitsForTheEndAndNoLongerThanToldTo) {
  auto pid = Spawn({.argv = {"sleep", "600"}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  auto pidfd = OpenPidfd(*pid);
  ASSERT_TRUE(pidfd.ok()) << pidfd.status();
  EXPECT_FALSE(WaitPidfd(pidfd->get(), absl::Milliseconds(20)));
  EXPECT_FALSE(WaitPidfd(pidfd->get(), absl::ZeroDuration()));
  EXPECT_GT(ProcessStartTicks(*pid), 0u);
  EXPECT_TRUE(SignalPidfd(pidfd->get(), SIGKILL).ok());
  EXPECT_TRUE(WaitPidfd(pidfd->get(), absl::InfiniteDuration()));
  Reap(*pid);
  EXPECT_TRUE(SignalPidfd(pidfd->get(), SIGKILL).ok()) << "a process that is gone is fine";
  EXPECT_TRUE(absl::IsNotFound(OpenPidfd(*pid).status()));
  EXPECT_EQ(ProcessStartTicks(*pid), 0u);
}

TEST(PidfdTest, StartTicksAreReadBehindAnyName) {
  Pipe out = MakePipe(), in = MakePipe();
  // A command name with what ends the field in it.
  auto pid = Spawn({.argv = {"sh", "-c", "printf ') S 1 (' >/proc/$$/comm; echo; read x"},
                    .fds = {{out.write.get(), 1}, {in.read.get(), 0}}});
  ASSERT_TRUE(pid.ok()) << pid.status();
  char newline = 0;
  ASSERT_EQ(read(out.read.get(), &newline, 1), 1);
  const uint64_t ticks = ProcessStartTicks(*pid), own = ProcessStartTicks(getpid());
  EXPECT_GE(ticks, own);
  EXPECT_LT(ticks - own, 100u * 3600);
  kill(*pid, SIGKILL);
  Reap(*pid);
}

TEST(RunCommandWithInput, GivesAllOfItToTheProgram) {
  const std::string input(200000, 'x');
  const auto result = RunCommandWithInput({"wc", "-c"}, input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_code, 0);
  EXPECT_EQ(result->out, "200000\n");
}

}  // namespace
}  // namespace vx
