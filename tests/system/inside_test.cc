// What a user does inside a container: exec, attach, terminals; one and many.
#include <signal.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

// Of a process, in KiB.
int64_t AnonymousKib(pid_t pid) {
  auto text = ReadFile(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  int64_t kib = 0;
  const size_t at = text.ok() ? text->find("Anonymous:") : std::string::npos;
  EXPECT_NE(at, std::string::npos);
  if (at != std::string::npos) sscanf(text->c_str() + at, "Anonymous: %ld", &kib);
  return kib;
}

size_t Count(const std::string& dir) {
  auto names = ListDir(dir);
  EXPECT_TRUE(names.ok()) << names.status();
  return names.ok() ? names->size() : 0;
}

class InsideTest : public SharedDaemonTest {
 protected:
  // `total` containers by 16 clients, each of which must end as it should.
  void RunMany(int total) {
    constexpr int kClients = 16;
    std::atomic<int> next{0};
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&] {
        for (int i = next++; i < total; i = next++) {
          Result result = Vxctl({"run", "--rm", "--kind=container", "busybox", "--", "sh", "-c",
                                 absl::StrCat("echo ", i, "; exit ", i % 100)});
          EXPECT_EQ(result.code, i % 100) << result;
          EXPECT_EQ(result.out, absl::StrCat(i, "\n")) << result;
        }
      });
    }
    for (std::thread& client : clients) client.join();
  }

  void RunForever(const std::string& name, const Words& flags = {}) {
    Words args = {"run", "-d", "--kind=container", "--name", name};
    args.insert(args.end(), flags.begin(), flags.end());
    for (const char* word : {"busybox", "--", "sleep", "100000"}) args.push_back(word);
    ASSERT_THAT(Vxctl(args), Succeeds());
  }

  // On a terminal of 77 columns, made by `script`, into which a shell types.
  static Result OnTerminal(const std::string& keys, const std::string& vxctl_args) {
    return RunProgram({"sh", "-c",
                       absl::StrCat("{ ", keys, "; } | script -qec \"stty rows 33 cols 77; ",
                                    Program("vxctl"), " ", vxctl_args, "\" /dev/null")},
                      {"VX_HOST=unix://" + vx().socket(), "TERM=xterm"}, absl::Seconds(60));
  }
};

TEST_F(InsideTest, ExecIsLikeACommandOfTheShell) {
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

TEST_F(InsideTest, ExecPassesAPipeThrough) {
  RunForever("w");
  Result result = RunProgram(
      {"sh", "-c",
       "seq 1 200000 | " + Program("vxctl") + " exec -i w -- cat | md5sum; seq 1 200000 | md5sum"},
      {"VX_HOST=unix://" + vx().socket()});
  ASSERT_EQ(result.out.size() % 2, 0u) << result;
  EXPECT_EQ(result.out.substr(0, result.out.size() / 2), result.out.substr(result.out.size() / 2));
}

TEST_F(InsideTest, AKilledClientEndsItsCommand) {
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

TEST_F(InsideTest, CtrlCReachesTheCommand) {
  RunForever("w");
  auto client = vx().VxctlInBackground(
      {"exec", "w", "--", "sh", "-c", "trap 'echo int; exit 9' INT; echo up; while :; do :; done"});
  ASSERT_TRUE(client->WaitForOutput("up"));
  client->Signal(SIGINT);
  Result result = client->Wait();
  EXPECT_EQ(result.code, 9);
  EXPECT_THAT(result.out, HasSubstr("int"));
}

TEST_F(InsideTest, ATerminalInsideHasTheSizeOfTheOneOutside) {
  RunForever("w");
  Result result =
      OnTerminal("sleep 1; echo typed", "exec -it w -- sh -c 'stty size; tty; head -n 1'");
  EXPECT_THAT(result.out, HasSubstr("/dev/pts/")) << result;
  EXPECT_THAT(result.out, HasSubstr("33 77")) << result;
  EXPECT_THAT(result.out, HasSubstr("typed\r\ntyped\r\n")) << result;
}

TEST_F(InsideTest, TheCommandOfARunFindsTheSizeOfTheTerminalWhenItStarts) {
  Result result = OnTerminal("sleep 1", "run --rm -it --kind=container busybox -- stty size");
  EXPECT_THAT(result.out, HasSubstr("33 77")) << result;
}

TEST_F(InsideTest, RunPassesItsInputOn) {
  Result result = RunProgram({"sh", "-c",
                              "printf 'one\\ntwo\\n' | " + Program("vxctl") +
                                  " run --rm -i --kind=container busybox -- "
                                  "sh -c 'read a; cat; exit 4'"},
                             {"VX_HOST=unix://" + vx().socket()});
  EXPECT_EQ(result.out, "two\n") << result;
  EXPECT_EQ(result.code, 4) << result;
}

TEST_F(InsideTest, WhatWasLeftIsJoinedAgainAlsoAfterARestart) {
  ASSERT_THAT(
      Vxctl({"run", "-d", "-it", "--name", "s", "--kind=container", "busybox", "--", "cat"}),
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

TEST_F(InsideTest, SeveralAttachedGetTheSame) {
  ASSERT_THAT(Vxctl({"run", "-d", "--name", "t", "--kind=container", "busybox", "--", "sh", "-c",
                     "trap 'echo usr1' USR1; echo up; while :; do sleep 0.02; done"}),
              Succeeds());
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

TEST_F(InsideTest, AnEndlessWriterIsBoundedAndNobodyNeedRead) {
  ASSERT_THAT(
      Vxctl({"run", "-d", "--name", "flood", "--kind=container", "busybox", "--", "sh", "-c",
             "yes 0123456789012345678901234567890123456789 | head -n 2500000; "
             "echo end; sleep 1000"}),
      Succeeds());
  ASSERT_TRUE(vx().WaitForEvent("flood", "workload"));
  const std::string uid = vx().Inspect("flood")["uid"];
  ASSERT_TRUE(vx().WaitForLog("flood", "end\n"));
  int64_t bytes = 0;
  auto names = ListDir(vx().state_dir() + "/container/" + uid);
  ASSERT_TRUE(names.ok());
  for (const std::string& name : *names) {
    if (!name.starts_with("log")) continue;
    bytes +=
        static_cast<int64_t>(ReadFile(vx().state_dir() + "/container/" + uid + "/" + name)->size());
  }
  EXPECT_LT(bytes, 70 << 20);
  EXPECT_GT(bytes, 40 << 20);
  EXPECT_EQ(Vxctl({"logs", "--tail", "2", "flood"}).out,
            "0123456789012345678901234567890123456789\nend\n");
}

TEST_F(InsideTest, AThousandCommandsLeaveNothing) {
  constexpr int kClients = 32, kEach = 32;
  RunForever("w");
  const pid_t shim = vx().Inspect("w")["status"]["shimPid"];
  ASSERT_THAT(Vxctl({"exec", "w", "--", "true"}), Succeeds());
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
  EXPECT_EQ(Vxctl({"exec", "w", "--", "sh", "-c", "ls /proc | grep -c '^[0-9]'"}).out, "4\n")
      << "sleep, sh, ls and grep";
  EXPECT_LE(Count(absl::StrCat("/proc/", vx().pid(), "/fd")), fds + 2);
  EXPECT_EQ(Count(absl::StrCat("/proc/", shim, "/fd")), shim_fds);
}

TEST_F(InsideTest, FiveHundredContainersComeAndGo) {
  // A daemon that has had work has its threads and their heaps.
  RunMany(100);
  const int64_t before = AnonymousKib(vx().pid());
  RunMany(500);
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
  // Memory is given back some seconds later.
  for (int i = 0; i < 2000 && AnonymousKib(vx().pid()) > before + 5 * 1024; ++i) Vxctl({"ls"});
  EXPECT_LT(AnonymousKib(vx().pid()), before + 5 * 1024);
}

}  // namespace
}  // namespace vx::system_test
