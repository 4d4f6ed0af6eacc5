// What a user does inside a workload: exec, attach, terminals; one and many. The same
// tests for both kinds, but for what is about the host's own processes.
#include <signal.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

size_t Count(const std::string& dir) {
  auto names = ListDir(dir);
  EXPECT_TRUE(names.ok()) << names.status();
  return names.ok() ? names->size() : 0;
}

class InsideTest : public EachKindTest {
 protected:
  void RunForever(const std::string& name, const Words& flags = {}) {
    RunDetached(name, "exec sleep 100000", flags);
  }

  // Processes inside; the kernel's own threads have no program.
  static std::string CountInside(const std::string& name) {
    return Vxctl({"exec", name, "--", "sh", "-c",
                  "n=0; for e in /proc/[0-9]*/exe; do readlink $e >/dev/null && n=$((n+1)); "
                  "done; echo $n"})
        .out;
  }

  // On a terminal of 77 columns, made by `script`, into which a shell types.
  static Result OnTerminal(const std::string& keys, const std::string& vxctl_args) {
    return RunProgram({"sh", "-c",
                       absl::StrCat("{ ", keys, "; } | script -qec \"stty rows 33 cols 77; ",
                                    Program("vxctl"), " ", vxctl_args, "\" /dev/null")},
                      {"VX_HOST=unix://" + vx().socket(), "TERM=xterm"}, absl::Seconds(120));
  }
  // What a shell says that has VXCTL for vxctl.
  static Result InShell(const std::string& script) {
    return RunProgram({"sh", "-c", "VXCTL=" + Program("vxctl") + "; " + script},
                      {"VX_HOST=unix://" + vx().socket()}, absl::Seconds(300));
  }
};

VX_EACH_KIND(InsideTest);

TEST_P(InsideTest, ExecIsLikeACommandOfTheShell) {
  RunForever("w");
  Result result = Vxctl({"exec", "w", "--", "sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(result.code, 7);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_EQ(Vxctl({"exec", "-u", "daemon", "-w", "/tmp", "-e", "A=b", "w", "--", "sh", "-c",
                   "id -u; pwd; echo $A"})
                .out,
            "1\n/tmp\nb\n");
}

TEST_P(InsideTest, ExecPassesAPipeThrough) {
  RunForever("w");
  Result result =
      InShell("seq 1 200000 | $VXCTL exec -i w -- cat | md5sum; seq 1 200000 | md5sum");
  ASSERT_EQ(result.out.size() % 2, 0u) << result;
  EXPECT_EQ(result.out.substr(0, result.out.size() / 2), result.out.substr(result.out.size() / 2));
}

TEST_P(InsideTest, AKilledClientEndsItsCommand) {
  RunForever("w");
  auto client = vx().VxctlInBackground({"exec", "w", "--", "sh", "-c", "echo up; sleep 4711"});
  ASSERT_TRUE(client->WaitForOutput("up"));
  client->Signal(SIGKILL);
  client->Wait();
  // ps shows itself; the bracket hides it.
  for (int i = 0; i < 600; ++i) {
    if (Vxctl({"exec", "w", "--", "sh", "-c", "ps | grep '[s]leep 4711'"}).code != 0) return;
  }
  ADD_FAILURE() << "it still runs";
}

TEST_P(InsideTest, CtrlCReachesTheCommand) {
  RunForever("w");
  auto client = vx().VxctlInBackground(
      {"exec", "w", "--", "sh", "-c", "trap 'echo int; exit 9' INT; echo up; while :; do :; done"});
  ASSERT_TRUE(client->WaitForOutput("up"));
  client->Signal(SIGINT);
  Result result = client->Wait();
  EXPECT_EQ(result.code, 9);
  EXPECT_THAT(result.out, HasSubstr("int"));
}

TEST_P(InsideTest, ATerminalInsideHasTheSizeOfTheOneOutside) {
  RunForever("w");
  Result result =
      OnTerminal("sleep 1; echo typed", "exec -it w -- sh -c 'stty size; tty; head -n 1'");
  EXPECT_THAT(result.out, HasSubstr("/dev/pts/")) << result;
  EXPECT_THAT(result.out, HasSubstr("33 77")) << result;
  EXPECT_THAT(result.out, HasSubstr("typed\r\ntyped\r\n")) << result;
}

TEST_P(InsideTest, TheCommandOfARunFindsTheSizeOfTheTerminalWhenItStarts) {
  Result result = OnTerminal("sleep 1", "run --rm -it " + kind_flag() + " busybox -- stty size");
  EXPECT_THAT(result.out, HasSubstr("33 77")) << result;
}

TEST_P(InsideTest, RunPassesItsInputOn) {
  Result result = InShell("printf 'one\\ntwo\\n' | $VXCTL run --rm -i " + kind_flag() +
                          " busybox -- sh -c 'read a; cat; exit 4'");
  EXPECT_EQ(result.out, "two\n") << result;
  EXPECT_EQ(result.code, 4) << result;
}

TEST_P(InsideTest, WhatWasLeftIsJoinedAgainAlsoAfterARestart) {
  ASSERT_THAT(
      Vxctl({"run", "-d", "-it", "--name", "s", kind_flag(), "busybox", "--", "cat"}),
      Succeeds());
  Result first = OnTerminal("echo first; sleep 1; printf '\\020\\021'", "attach s");
  EXPECT_THAT(first.out, HasSubstr("first")) << first;
  EXPECT_EQ(first.code, 0) << first;
  EXPECT_EQ(vx().State("s"), "running");
  vx().Kill();
  vx().Start();
  Result second = OnTerminal("echo second; sleep 1; printf '\\004'; sleep 1", "attach s");
  EXPECT_THAT(second.out, HasSubstr("second")) << second;
  EXPECT_THAT(Vxctl({"wait", "s"}), Succeeds());
  EXPECT_THAT(vx().Logs("s"), HasSubstr("first\r\n"));
}

TEST_P(InsideTest, SeveralAttachedGetTheSame) {
  RunDetached("t", "trap 'echo usr1' USR1; echo up; while :; do sleep 0.02; done");
  ASSERT_TRUE(vx().WaitForLog("t", "up"));
  auto one = vx().VxctlInBackground({"attach", "t"});
  auto other = vx().VxctlInBackground({"attach", "t"});
  // Until both are attached nothing tells; a signal is answered each time.
  for (int i = 0; i < 200 && !(one->WaitForOutput("usr1", absl::Milliseconds(50)) &&
                               other->WaitForOutput("usr1", absl::Milliseconds(50)));
       ++i) {
    ASSERT_THAT(Vxctl({"kill", "-s", "USR1", "t"}), Succeeds());
  }
  ASSERT_THAT(Vxctl({"kill", "t"}), Succeeds());
  for (auto* client : {one.get(), other.get()}) {
    Result result = client->Wait();
    EXPECT_EQ(result.code, 137) << result;
    EXPECT_THAT(result.out, HasSubstr("usr1")) << result;
  }
}

TEST_P(InsideTest, AThousandCommandsLeaveNothing) {
  const int kClients = vm() ? 16 : 32, kEach = 1024 / kClients;
  RunForever("w");
  const pid_t shim = vx().Inspect("w")["status"]["shimPid"];
  const std::string inside = CountInside("w");
  const size_t fds = Count(absl::StrCat("/proc/", vx().pid(), "/fd"));
  const size_t shim_fds = Count(absl::StrCat("/proc/", shim, "/fd"));
  std::atomic<int> wrong{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] {
      for (int i = 0; i < kEach; ++i) {
        const int number = (c * kEach + i) % 200;
        Result result = Vxctl(
            {"exec", "w", "--", "sh", "-c", absl::StrCat("echo ", number, "; exit ", number)});
        if (result.code != number || result.out != absl::StrCat(number, "\n")) {
          ++wrong;
          ADD_FAILURE() << number << ": " << result;
        }
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(CountInside("w"), inside);
  EXPECT_LE(Count(absl::StrCat("/proc/", vx().pid(), "/fd")), fds + 2);
  EXPECT_EQ(Count(absl::StrCat("/proc/", shim, "/fd")), shim_fds);
}

TEST_P(InsideTest, WhatCantBeRunIsToldAsByAShell) {
  RunForever("w");
  EXPECT_THAT(Vxctl({"exec", "w", "--", "nosuch"}), FailsSaying(127, {"nosuch", "not found"}));
  EXPECT_THAT(Vxctl({"exec", "w", "--", "/etc"}), FailsSaying(126, {"/etc"}));
  EXPECT_THAT(Vxctl({"exec", "w", "--", ""}), FailsSaying(127, {"not found"}));
  EXPECT_THAT(Vxctl({"run", "--rm", kind_flag(), "busybox", "--", ""}),
              FailsSaying(127, {"not found"}));
  EXPECT_THAT(Vxctl({"exec", "-u", "nobodyknows", "w", "--", "true"}),
              FailsSaying(126, {"nobodyknows"}));
  EXPECT_THAT(Vxctl({"exec", "-w", "/nowhere", "w", "--", "true"}),
              FailsSaying(126, {"/nowhere"}));
}

TEST_P(InsideTest, HomeIsTheUsersAndATerminalHasAKind) {
  RunForever("w");
  EXPECT_EQ(Vxctl({"exec", "-u", "daemon", "w", "--", "sh", "-c", "echo $HOME"}).out, "/\n");
  EXPECT_EQ(Vxctl({"exec", "-u", "1234", "w", "--", "sh", "-c", "echo $HOME"}).out, "/\n");
  EXPECT_EQ(InShell("$VXCTL exec -t w -- sh -c 'echo $TERM' </dev/null").out, "xterm\r\n");
}

TEST_P(InsideTest, ACallerNeedHaveNeitherStreamsNorATerminal) {
  RunForever("w");
  EXPECT_EQ(InShell("$VXCTL exec -i w -- cat <&-; echo $?").out, "0\n");
  EXPECT_EQ(InShell("$VXCTL exec -t w -- stty size </dev/null").out, "24 80\r\n");
}

TEST_P(InsideTest, PausedOrStoppedTakesNoCommand) {
  RunForever("w");
  ASSERT_THAT(Vxctl({"pause", "w"}), Succeeds());
  EXPECT_THAT(Vxctl({"exec", "w", "--", "true"}), FailsSaying(1, {"paused", "resume"}));
  ASSERT_THAT(Vxctl({"resume", "w"}), Succeeds());
  EXPECT_THAT(Vxctl({"exec", "w", "--", "true"}), Succeeds());
  ASSERT_THAT(Vxctl({"kill", "w"}), Succeeds());
  ASSERT_THAT(Vxctl({"wait", "w"}), Succeeds());
  EXPECT_THAT(Vxctl({"exec", "w", "--", "true"}), FailsSaying(1, {"w", "not run"}));
}

TEST_P(InsideTest, ExecEndsWithItsWorkload) {
  RunForever("w");
  auto client = vx().VxctlInBackground({"exec", "w", "--", "sh", "-c", "echo up; sleep 4711"});
  ASSERT_TRUE(client->WaitForOutput("up"));
  ASSERT_THAT(Vxctl({"kill", "w"}), Succeeds());
  EXPECT_EQ(client->Wait().code, 137);
}

TEST_P(InsideTest, ExecWorksAgainAfterARestartOfTheDaemon) {
  RunForever("w");
  auto client = vx().VxctlInBackground(
      {"exec", "w", "--", "sh", "-c", "echo up; while :; do echo xxxxxxxxxxxxxxxx; done"});
  ASSERT_TRUE(client->WaitForOutput("up"));
  vx().Kill();
  vx().Start();
  EXPECT_NE(client->Wait().code, 0);
  EXPECT_EQ(Vxctl({"exec", "w", "--", "echo", "hi"}).out, "hi\n");
}

TEST_P(InsideTest, ADetachedCommandGoesOn) {
  RunForever("w");
  ASSERT_THAT(Vxctl({"exec", "-d", "w", "--", "sh", "-c", "echo done > /tmp/mark"}), Succeeds());
  EXPECT_EQ(Vxctl({"exec", "w", "--", "sh", "-c",
                   "until [ \"$(cat /tmp/mark 2>/dev/null)\" = done ]; do :; done; cat /tmp/mark"})
                .out,
            "done\n");
}

TEST_P(InsideTest, AHundredMegabytesPassByPipeAndByTerminal) {
  RunForever("w");
  Result pipe = InShell("$VXCTL exec w -- head -c 100000000 /dev/zero | wc -c");
  EXPECT_EQ(pipe.out, "100000000\n") << pipe;
  Result terminal = InShell(
      "script -qec \"$VXCTL exec -t w -- head -c 100000000 /dev/zero\" /dev/null </dev/null "
      "| tr -cd '\\000' | wc -c");
  EXPECT_EQ(terminal.out, "100000000\n") << terminal;
}

TEST_P(InsideTest, WhoStopsReadingHoldsUpNoOther) {
  RunForever("w");
  auto stuck = vx().VxctlInBackground({"exec", "w", "--", "sh", "-c", "echo up; cat /dev/zero"});
  ASSERT_TRUE(stuck->WaitForOutput("up"));
  stuck->Signal(SIGSTOP);
  Result result = InShell("$VXCTL exec w -- head -c 5000000 /dev/zero | wc -c");
  EXPECT_EQ(result.out, "5000000\n") << result;
  stuck->Signal(SIGKILL);
  stuck->Wait();
}

TEST_P(InsideTest, ARootThatCantBeWrittenAndFilesystemsInMemory) {
  Result result = RunScript(
      "touch /x 2>/dev/null && echo bad; echo in > /t/x && cat /t/x; "
      "grep -q ' /t tmpfs .*size=1024k' /proc/mounts && echo sized",
      {"--read-only", "--tmpfs", "/t:size=1M"});
  EXPECT_EQ(result.out, "in\nsized\n") << result;
}

}  // namespace
}  // namespace vx::system_test
