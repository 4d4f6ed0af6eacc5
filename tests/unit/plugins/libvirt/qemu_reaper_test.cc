#include "plugins/libvirt/qemu_reaper.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/becomes.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);

// Gone altogether, not a zombie.
bool IsGone(pid_t pid) {
  return Becomes([pid] { return kill(pid, 0) != 0; });
}

class QemuReaperTest : public testing::Test {
 protected:
  void SetUp() override {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (const char* name : {"run", "lib"}) ASSERT_TRUE(MakeDirs(dir_.path(name), 0700).ok());
    reaper_ = std::make_unique<QemuReaper>(&watcher_, dir_.path("run"), dir_.path("lib"));
  }

  void TearDown() override {
    for (pid_t pid : children_) {
      kill(pid, SIGKILL);
      waitpid(pid, nullptr, 0);
    }
  }

  pid_t Run(const std::string& script) {
    auto pid = Spawn({.argv = {"sh", "-c", absl::StrCat("cd ", dir_.path(), "\n", script)}});
    EXPECT_TRUE(pid.ok()) << pid.status();
    return pid.value_or(-1);
  }

  // As libvirt does it: a process in between, which ends, leaves `command` running.
  // Its pid is in `pid_file`.
  pid_t Daemonize(const std::string& command, const std::string& pid_file) {
    const pid_t between = Run(absl::StrCat(command, " &\necho $! >", pid_file));
    waitpid(between, nullptr, 0);
    return ReadPid(pid_file);
  }

  pid_t ReadPid(const std::string& pid_file) {
    pid_t pid = -1;
    EXPECT_TRUE(absl::SimpleAtoi(ReadFile(dir_.path(pid_file)).value_or(""), &pid));
    return pid;
  }

  TempDir dir_;
  std::set<pid_t> children_;
  std::unique_ptr<QemuReaper> reaper_;
  // Ends first.
  Watcher watcher_;
};

TEST_F(QemuReaperTest, AVmsQemuIsGoneTheMomentThatItDies) {
  const pid_t pid = Daemonize("sleep 1000", "run/vm.pid");
  kill(pid, SIGKILL);
  EXPECT_TRUE(IsGone(pid));
}

// A vxd that execs itself keeps its children.
TEST_F(QemuReaperTest, SoIsOneThatWasThereBefore) {
  ASSERT_TRUE(MakeDirs(dir_.path("before"), 0700).ok());
  const pid_t pid = Daemonize("sleep 1000", "before/vm.pid");
  {
    std::unique_ptr<QemuReaper> reaper;
    Watcher watcher;
    reaper = std::make_unique<QemuReaper>(&watcher, dir_.path("before"), dir_.path("lib"));
    kill(pid, SIGKILL);
    EXPECT_TRUE(IsGone(pid));
  }
}

TEST_F(QemuReaperTest, AProbesQemuIsToo) {
  const pid_t pid = Daemonize("mkdir lib/qmp-x; sleep 1000", "lib/qmp-x/qmp.pid");
  kill(pid, SIGKILL);
  EXPECT_TRUE(IsGone(pid));
}

TEST_F(QemuReaperTest, OneThatDiesBeforeItIsOurChildIsReapedWhenItIs) {
  // What takes the shell's place waits for no child.
  const pid_t between = Run("mkfifo go\nsleep 1000 &\necho $! >run/vm.pid\nexec cat go >out");
  children_.insert(between);
  ASSERT_TRUE(Becomes([this] { return PathExists(dir_.path("out")); }));
  const pid_t pid = ReadPid("run/vm.pid");
  auto pidfd = OpenPidfd(pid);
  ASSERT_TRUE(pidfd.ok()) << pidfd.status();
  kill(pid, SIGKILL);
  ASSERT_TRUE(WaitPidfd(pidfd->get(), kPatience));
  EXPECT_EQ(kill(pid, 0), 0) << "it was not a zombie of another";
  kill(between, SIGKILL);
  EXPECT_TRUE(IsGone(pid));
}

TEST_F(QemuReaperTest, ProbesThatAnEarlierVxdWasKilledInAreEnded) {
  const std::string probes = dir_.path("old"), folder = probes + "/qmp-x";
  ASSERT_TRUE(MakeDirs(folder, 0700).ok());
  const pid_t probe = Run(
      absl::StrCat("exec sh -c 'mkfifo f; read nothing <f' -qmp unix:", folder, "/qmp.monitor"));
  const pid_t other = Run("exec sleep 1000");
  children_ = {probe, other};
  dir_.Write("old/qmp-x/qmp.pid", std::to_string(probe));
  dir_.Write("old/qmp-recycled/qmp.pid", std::to_string(other));
  ASSERT_TRUE(Becomes([this] { return PathExists(dir_.path("f")); }));
  {
    std::unique_ptr<QemuReaper> reaper;
    Watcher watcher;
    reaper = std::make_unique<QemuReaper>(&watcher, dir_.path("run"), probes);
  }
  int status = 0;
  EXPECT_EQ(waitpid(probe, &status, 0), probe);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(waitpid(other, nullptr, WNOHANG), 0) << "it is no probe";
  children_ = {other};
  EXPECT_EQ(ListDir(probes).value(), std::vector<std::string>());
}

}  // namespace
}  // namespace vx::libvirt
