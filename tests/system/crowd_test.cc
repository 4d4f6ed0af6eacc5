// Many workloads, and much of one.
#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

// Of a process, in KiB.
int64_t AnonymousKib(pid_t pid) {
  auto text = ReadFile(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  int64_t kib = 0;
  const size_t at = text.ok() ? text->find("Anonymous:") : std::string::npos;
  EXPECT_NE(at, std::string::npos);
  if (at != std::string::npos) sscanf(text->c_str() + at, "Anonymous: %ld", &kib);
  return kib;
}

size_t OpenFiles(pid_t pid) {
  auto files = ListDir(absl::StrCat("/proc/", pid, "/fd"));
  EXPECT_TRUE(files.ok()) << files.status();
  return files.ok() ? files->size() : 0;
}

class CrowdTest : public SharedDaemonTest {
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
};

TEST_F(CrowdTest, AnEndlessWriterIsBoundedAndNobodyNeedRead) {
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

TEST_F(CrowdTest, FiveHundredContainersComeAndGo) {
  // A daemon that has had work has its threads and their heaps.
  RunMany(100);
  const int64_t before = AnonymousKib(vx().pid());
  const size_t files_before = OpenFiles(vx().pid());
  RunMany(500);
  EXPECT_LT(OpenFiles(vx().pid()), files_before + 50);
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
  // Memory is given back some seconds later.
  for (int i = 0; i < 2000 && AnonymousKib(vx().pid()) > before + 5 * 1024; ++i) Vxctl({"ls"});
  EXPECT_LT(AnonymousKib(vx().pid()), before + 5 * 1024);
}

// Five at a time, as a small host would.
TEST_F(CrowdTest, TwentyMachinesComeAndGo) {
  constexpr int kTotal = 20, kAtOnce = 5;
  std::atomic<int> next{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < kAtOnce; ++c) {
    clients.emplace_back([&] {
      for (int i = next++; i < kTotal; i = next++) {
        const std::string name = absl::StrCat("m", i);
        EXPECT_THAT(Vxctl({"run", "-d", "--kind=vm", "-m", "128M", "--name", name, "busybox", "--",
                           "sleep", "100000"}),
                    Succeeds());
        EXPECT_EQ(Vxctl({"exec", name, "--", "hostname"}).out, name + "\n");
        EXPECT_THAT(Vxctl({"rm", "-f", name}), Succeeds());
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(Vxctl({"ls", "-a", "-q"}).out, "");
}

}  // namespace
}  // namespace vx::system_test
