// Commands inside, and the input of the workload's own.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::ExecSession;
using driver::ExecSpec;
using driver::Input;
using driver::Sessions;

// What a command wrote and how it ended.
struct Ended {
  std::string out;
  std::string err;
  int code = -1;
};

bool WaitFor(int fd, short events, absl::Duration timeout) {
  pollfd p{fd, events, 0};
  return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(timeout))) > 0;
}

// Reads what is there; false at the end.
bool ReadSome(driver::Output& from, std::string& data) {
  char buffer[65536];
  const absl::StatusOr<size_t> n = from.Read(buffer, sizeof buffer);
  data.append(buffer, n.value_or(0));
  return n.ok();
}

int FdOf(const driver::Output* output) { return output == nullptr ? -1 : output->fd(); }

class SessionTest : public ContractTest {
 protected:
  void SetUp() override {
    if (driver().sessions() == nullptr) GTEST_SKIP() << "this driver has no sessions yet";
  }

  Sessions& sessions() { return *driver().sessions(); }

  std::unique_ptr<ExecSession> Begin(const std::string& uid, const ExecSpec& spec) {
    auto session = sessions().Exec(uid, spec);
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *std::move(session) : nullptr;
  }

  // Reads until the end of the command, and of what it wrote.
  Ended ReadToEnd(ExecSession& session) {
    Ended ended;
    bool out = session.output() != nullptr, err = session.error() != nullptr;
    const absl::Time deadline = absl::Now() + patience();
    for (bool over = false; !over && absl::Now() < deadline;) {
      pollfd fds[3] = {{out ? FdOf(session.output()) : -1, POLLIN, 0},
                       {err ? FdOf(session.error()) : -1, POLLIN, 0},
                       {session.end_fd(), POLLIN, 0}};
      poll(fds, 3, 1000);
      over = fds[2].revents != 0;
      if (fds[0].revents != 0 || over) out = out && ReadAll(*session.output(), ended.out, over);
      if (fds[1].revents != 0 || over) err = err && ReadAll(*session.error(), ended.err, over);
    }
    auto exit = session.Result();
    EXPECT_TRUE(exit.ok()) << exit.status();
    if (exit.ok()) ended.code = exit->code();
    return ended;
  }

  Ended Run(const std::string& uid, const std::string& script) {
    auto session = Begin(uid, Script(script));
    return session == nullptr ? Ended() : ReadToEnd(*session);
  }

  static ExecSpec Script(const std::string& script) {
    ExecSpec spec;
    spec.argv = {"sh", "-c", script};
    return spec;
  }

  // Reads on until `text` was written.
  std::string ReadUntil(ExecSession& session, const std::string& text) {
    std::string out;
    const absl::Time deadline = absl::Now() + patience();
    while (!absl::StrContains(out, text) && absl::Now() < deadline) {
      WaitFor(FdOf(session.output()), POLLIN, absl::Seconds(1));
      if (!ReadSome(*session.output(), out)) break;
    }
    EXPECT_TRUE(absl::StrContains(out, text)) << out;
    return out;
  }

  void WriteAll(Input& input, absl::string_view data) {
    while (!data.empty()) {
      auto taken = input.Write(data);
      ASSERT_TRUE(taken.ok()) << taken.status();
      data.remove_prefix(*taken);
      if (data.empty()) return;
      ASSERT_TRUE(WaitFor(input.fd(), POLLOUT, patience()));
    }
  }

  // How many processes inside have `text` in their command line.
  int CountInside(const std::string& uid, const std::string& text) {
    const Ended ended =
        Run(uid, absl::StrCat("ps | grep -c '[", text.substr(0, 1), "]", text.substr(1), "'"));
    return atoi(ended.out.c_str());
  }

  // Waits until it is so; what runs inside has no descriptor to wait on out here.
  bool EndsInside(const std::string& uid, const std::string& text) {
    const absl::Time deadline = absl::Now() + patience();
    while (CountInside(uid, text) > 0) {
      if (absl::Now() > deadline) return false;
    }
    return true;
  }

 private:
  // To the end once the command has ended, else what is there.
  static bool ReadAll(driver::Output& from, std::string& data, bool over) {
    size_t before;
    do {
      before = data.size();
      if (!ReadSome(from, data)) return false;
    } while (over && data.size() > before);
    return true;
  }
};

// Children of ours that were to become a command and were not reaped.
int DeadRuntimes() {
  const std::string mark = absl::StrCat("(vx-runtime) Z ", getpid(), " ");
  int count = 0;
  auto names = ListDir("/proc");
  for (const std::string& name : names.ok() ? *names : std::vector<std::string>()) {
    auto stat = ReadFile(absl::StrCat("/proc/", name, "/stat"));
    if (stat.ok() && absl::StrContains(*stat, mark)) ++count;
  }
  return count;
}

class Exec : public SessionTest {};

TEST_F(Exec, GivesBothStreamsAndTheExitStatus) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  const Ended ended = Run(workload.uid(), "echo to out; echo to err >&2; exit 7");
  EXPECT_EQ(ended.out, "to out\n");
  EXPECT_EQ(ended.err, "to err\n");
  EXPECT_EQ(ended.code, 7);
  EXPECT_EQ(Run(workload.uid(), "kill -9 $$").code, 137);
}

TEST_F(Exec, LosesNothingOfALotOfOutput) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  std::string expected;
  for (int i = 1; i <= 100000; ++i) absl::StrAppend(&expected, i, "\n");
  EXPECT_TRUE(Run(workload.uid(), "seq 1 100000").out == expected);
}

TEST_F(Exec, PassesTheInputOnToItsEnd) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec;
  spec.argv = {"cat"};
  spec.stdin = true;
  auto session = Begin(workload.uid(), spec);
  ASSERT_NE(session, nullptr);
  std::string data;
  for (int i = 0; data.size() < 300000; ++i) absl::StrAppend(&data, i, "\n");
  // Beside the reading, as the command's output is bounded too.
  std::thread writer([&] {
    WriteAll(*session->input(), data);
    auto closed = session->input()->Close();
    EXPECT_TRUE(closed.ok() && *closed);
  });
  const Ended ended = ReadToEnd(*session);
  writer.join();
  EXPECT_TRUE(ended.out == data) << ended.out.size();
  EXPECT_EQ(ended.code, 0);
}

TEST_F(Exec, WithoutInputTheCommandReadsItsEnd) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  EXPECT_EQ(Run(workload.uid(), "cat; echo end").out, "end\n");
}

TEST_F(Exec, TakesUserEnvironmentAndWorkingDirectory) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec = Script("id -u; id -g; pwd; echo $ADDED $GREETING");
  spec.user = "1000:2000";
  spec.working_dir = "/tmp";
  spec.env = {"ADDED=yes", "GREETING=other"};
  auto session = Begin(workload.uid(), spec);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(ReadToEnd(*session).out, "1000\n2000\n/tmp\nyes other\n");
}

TEST_F(Exec, HasTheRightsOfTheWorkloadsCommand) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  const std::string facts =
      "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/$P/status; "
      "for n in user mnt pid net ipc uts cgroup; do "
      "readlink /proc/$P/ns/$n; done";
  const std::string own = Run(workload.uid(), "P=1; " + facts).out;
  EXPECT_NE(own, "");
  EXPECT_EQ(Run(workload.uid(), "P=self; " + facts).out, own);
}

TEST_F(Exec, WhatCantBeRunSaysWhy) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  constexpr auto kCode = absl::StatusCode::kFailedPrecondition;
  ExecSpec spec;
  spec.argv = {"no-such-command"};
  EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(), IsError(kCode, "COMMAND_NOT_FOUND"));
  spec.argv = {"/etc"};
  EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(),
              IsError(kCode, "COMMAND_NOT_EXECUTABLE"));
  spec.argv = {"true"};
  spec.user = "nobody-knows";
  EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(), IsError(kCode, "NO_USER"));
  spec.user = "";
  spec.working_dir = "/proc/1/nowhere";
  EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(), IsError(kCode, "BAD_WORKING_DIR"));
}

TEST_F(Exec, NeedsARunThatIsNotPaused) {
  const v1::Workload workload = NewWorkload(Behaviour::kForever);
  const std::string& uid = workload.uid();
  EXPECT_THAT(sessions().Exec(uid, Script("true")).status(), IsNotRunning());
  Prepare(workload);
  Create(workload);
  EXPECT_THAT(sessions().Exec(uid, Script("true")).status(), IsNotRunning());
  Start(workload);
  VX_ASSERT_OK(driver().Pause(uid));
  EXPECT_THAT(sessions().Exec(uid, Script("true")).status(),
              IsError(absl::StatusCode::kFailedPrecondition, "PAUSED"));
  VX_ASSERT_OK(driver().Resume(uid));
  EXPECT_EQ(Run(uid, "true").code, 0);
}

TEST_F(Exec, ASignalReachesTheCommand) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  auto session =
      Begin(workload.uid(),
            Script("trap 'echo term; exit 3' TERM; echo up; while :; do sleep 0.01; done"));
  ASSERT_NE(session, nullptr);
  ReadUntil(*session, "up\n");
  VX_EXPECT_OK(session->Signal(SIGTERM));
  const Ended ended = ReadToEnd(*session);
  EXPECT_EQ(ended.out, "term\n");
  EXPECT_EQ(ended.code, 3);
}

TEST_F(Exec, ASessionThatGoesEndsItsCommandAndWhatThatStarted) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  auto session = Begin(workload.uid(), Script("sleep 4321 & echo up; sleep 4321"));
  ASSERT_NE(session, nullptr);
  ReadUntil(*session, "up\n");
  session.reset();
  EXPECT_TRUE(EndsInside(workload.uid(), "sleep 4321"));
  EXPECT_EQ(driver().Observe(workload.uid())->presence, driver::Presence::kRunning);
}

TEST_F(Exec, ADetachedCommandGoesOn) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec;
  spec.argv = {"sleep", "4322"};
  spec.detach = true;
  auto session = sessions().Exec(workload.uid(), spec);
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(*session, nullptr);
  EXPECT_EQ(CountInside(workload.uid(), "sleep 4322"), 1);
}

TEST_F(Exec, ADetachedCommandThatCantBeRunLeavesNothing) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec;
  spec.argv = {"no-such-command"};
  spec.detach = true;
  // As a daemon that has VMs is.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  for (int i = 0; i < 5; ++i) {
    EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(),
                IsError(absl::StatusCode::kFailedPrecondition, "COMMAND_NOT_FOUND"));
  }
  // A process that nobody reaps would keep the container's end from coming.
  VX_ASSERT_OK(driver().Stop(workload.uid(), absl::ZeroDuration()));
  EXPECT_EQ(DeadRuntimes(), 0);
  prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

TEST_F(Exec, AWorkingDirectoryIsNotMade) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec = Script("pwd");
  spec.working_dir = "/not/there";
  EXPECT_THAT(sessions().Exec(workload.uid(), spec).status(),
              IsError(absl::StatusCode::kFailedPrecondition, "BAD_WORKING_DIR"));
  EXPECT_NE(Run(workload.uid(), "test -e /not").code, 0);
}

TEST_F(Exec, TheEndOfTheWorkloadEndsIt) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  auto session = Begin(workload.uid(), Script("echo up; sleep 4323"));
  ASSERT_NE(session, nullptr);
  ReadUntil(*session, "up\n");
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGKILL));
  EXPECT_EQ(ReadToEnd(*session).code, 137);
}

TEST_F(Exec, CountsAsTheWorkloads) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  auto before = driver().Stats(workload.uid());
  ASSERT_TRUE(before.ok());
  auto session = Begin(workload.uid(), Script("echo up; sleep 4324"));
  ASSERT_NE(session, nullptr);
  ReadUntil(*session, "up\n");
  auto with = driver().Stats(workload.uid());
  ASSERT_TRUE(with.ok());
  EXPECT_GT(with->pids(), before->pids());
}

TEST_F(Exec, ManyAtOnceGetEachTheirOwn) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  constexpr int kThreads = 8, kEach = 10;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const int number = t * kEach + i;
        const Ended ended = Run(workload.uid(), absl::StrCat("echo ", number, "; exit ", number));
        EXPECT_EQ(ended.out, absl::StrCat(number, "\n"));
        EXPECT_EQ(ended.code, number);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Exec, ATerminalHasASizeThatCanChange) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec = Script(
      "trap 'stty size; exit 0' WINCH; stty size; tty; "
      "while :; do sleep 0.01; done");
  spec.tty = true;
  spec.size = {100, 40};
  auto session = Begin(workload.uid(), spec);
  ASSERT_NE(session, nullptr);
  EXPECT_EQ(session->error(), nullptr);
  const std::string first = ReadUntil(*session, "/dev/pts/");
  EXPECT_TRUE(first.starts_with("40 100\r\n")) << first;
  VX_EXPECT_OK(session->input()->Resize({120, 50}));
  EXPECT_TRUE(absl::StrContains(ReadToEnd(*session).out, "50 120\r\n"));
}

TEST_F(Exec, KeysOnATerminalAreSignalsAndTheEndOfInput) {
  const v1::Workload workload = Launch(Behaviour::kForever);
  ExecSpec spec = Script("trap 'echo interrupted' INT; echo up; cat; cat; echo end");
  spec.tty = spec.stdin = true;
  auto session = Begin(workload.uid(), spec);
  ASSERT_NE(session, nullptr);
  // With its end: what is typed in between would be echoed there.
  ReadUntil(*session, "up\r\n");
  // The first cat reads, and so is what Ctrl-C is for.
  WriteAll(*session->input(), "first\n");
  ReadUntil(*session, "first\r\nfirst\r\n");
  WriteAll(*session->input(), "\3");
  ReadUntil(*session, "interrupted\r\n");
  WriteAll(*session->input(), "typed\n");
  ReadUntil(*session, "typed\r\ntyped\r\n");
  auto closed = session->input()->Close();
  EXPECT_TRUE(closed.ok() && *closed);
  EXPECT_TRUE(absl::StrContains(ReadToEnd(*session).out, "end"));
}

class CommandInput : public SessionTest {
 protected:
  v1::Workload NewReader(const std::vector<std::string>& command, bool tty) {
    v1::Workload workload = NewWorkload(Behaviour::kForever);
    v1::WorkloadSpec* spec = workload.mutable_spec();
    spec->set_stdin(true);
    spec->set_tty(tty);
    spec->clear_command();
    for (const std::string& word : command) spec->add_command(word);
    return workload;
  }

  v1::Workload LaunchReader(const std::vector<std::string>& command, bool tty = false) {
    v1::Workload workload = NewReader(command, tty);
    Prepare(workload);
    Create(workload);
    Start(workload);
    return workload;
  }

  std::unique_ptr<Input> Open(const std::string& uid) {
    auto input = sessions().OpenInput(uid);
    EXPECT_TRUE(input.ok()) << input.status();
    return input.ok() ? *std::move(input) : nullptr;
  }
};

TEST_F(CommandInput, ReachesTheCommandFromSeveral) {
  const v1::Workload workload = LaunchReader({"cat"});
  auto one = Open(workload.uid()), other = Open(workload.uid());
  ASSERT_TRUE(one != nullptr && other != nullptr);
  WriteAll(*one, "one\n");
  WaitForOutput(workload.uid(), "one\n");
  WriteAll(*other, "other\n");
  WaitForOutput(workload.uid(), "other\n");
  one.reset();
  auto closed = other->Close();
  EXPECT_TRUE(closed.ok() && *closed);
  EXPECT_EQ(WaitForEnd(workload.uid()).code(), 0);
  EXPECT_EQ(OutputOf(workload.uid()).out, "one\nother\n");
}

TEST_F(CommandInput, NeedsARunThatHasOne) {
  const v1::Workload workload = NewWorkload(Behaviour::kForever);
  EXPECT_THAT(sessions().OpenInput(workload.uid()).status(), IsNotRunning());
  Prepare(workload);
  Create(workload);
  Start(workload);
  EXPECT_THAT(sessions().OpenInput(workload.uid()).status(),
              IsError(absl::StatusCode::kFailedPrecondition, "NO_STDIN"));
}

TEST_F(CommandInput, ATerminalIsTheCommandsOwnAndItsConsole) {
  const v1::Workload workload =
      LaunchReader({"sh", "-c",
                    "tty; test -c /dev/console && echo console; trap 'stty size' WINCH; "
                    "while :; do read line && echo got:$line; done"},
                   /*tty=*/true);
  auto input = Open(workload.uid());
  ASSERT_NE(input, nullptr);
  WaitForOutput(workload.uid(), "console\r\n");
  WriteAll(*input, "hello\n");
  WaitForOutput(workload.uid(), "got:hello\r\n");
  VX_EXPECT_OK(input->Resize({132, 43}));
  WaitForOutput(workload.uid(), "43 132\r\n");
}

TEST_F(CommandInput, ASizeThatIsSetBeforeTheStartIsThereAtTheStart) {
  const int rounds = Subject::Get().vm() ? 3 : 20;
  for (int round = 0; round < rounds; ++round) {
    v1::Workload workload = NewReader({"stty", "size"}, /*tty=*/true);
    Prepare(workload);
    Create(workload);
    VX_EXPECT_OK(Open(workload.uid())->Resize({132, 43}));
    Start(workload);
    EXPECT_EQ(WaitForEnd(workload.uid()).code(), 0);
    EXPECT_EQ(OutputOf(workload.uid()).out, "43 132\r\n");
  }
}

}  // namespace
}  // namespace vx::contract
