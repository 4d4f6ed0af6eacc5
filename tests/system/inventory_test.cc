// The inventory as a file: copies of it, damage, a full disk, and a host that goes down.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

class InventoryTest : public OwnDaemonTest {
 protected:
  void Run(const std::string& name, const std::string& kind = "container",
           const Words& flags = {}) {
    Words line = {"run", "-d", "--kind=" + kind, "--name", name};
    line.insert(line.end(), flags.begin(), flags.end());
    for (const char* word : {"busybox", "--", "sh", "-c"}) line.push_back(word);
    line.push_back("cat /kept 2>/dev/null; echo data >/kept; sync; echo up; exec sleep 1000");
    ASSERT_THAT(vx_.Vxctl(line), Succeeds());
    ASSERT_TRUE(vx_.WaitForLog(name, "up"));
  }
  std::string Names() const { return vx_.Vxctl({"ls", "-a", "-q"}).out; }
  int64_t Pid(const std::string& name) const { return vx_.Inspect(name)["status"]["pid"]; }
  std::string copy() const { return vx_.dir() + "/copy.db"; }
  std::string database() const { return vx_.state_dir() + "/vx.db"; }
  void Backup() const { ASSERT_THAT(vx_.Vxctl({"system", "backup", "-o", copy()}), Succeeds()); }
  Result Restore(const Words& flags = {}) const {
    Words line = {"system", "restore", copy()};
    line.insert(line.end(), flags.begin(), flags.end());
    return vx_.Vxctl(line);
  }
};

TEST_F(InventoryTest, IsBackedUpAndRestoredWhileWorkloadsRun) {
  vx_.Start();
  Run("web");
  Backup();
  struct stat st{};
  ASSERT_EQ(stat(copy().c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  const int64_t pid = Pid("web");
  ASSERT_THAT(vx_.Vxctl({"update", "web", "-l", "later=yes"}), Succeeds());
  const Result restored = Restore();
  EXPECT_EQ(restored.out, "restored 1 workload\n") << restored;
  const Json web = vx_.Inspect("web");
  EXPECT_TRUE(web["labels"].empty()) << web;
  EXPECT_EQ(web["status"]["state"], "running");
  EXPECT_EQ(web["status"]["pid"], pid);
  // It is a daemon like any other.
  Run("more");
  EXPECT_EQ(Names(), "web\nmore\n");
}

TEST_F(InventoryTest, AVmThatDiesAfterARestoreStartsAgain) {
  vx_.Start();
  Run("db", "vm");
  Backup();
  ASSERT_THAT(Restore(), Succeeds());
  absl::StatusOr<UniqueFd> qemu = OpenPidfd(static_cast<pid_t>(Pid("db")));
  ASSERT_TRUE(qemu.ok()) << qemu.status();
  ASSERT_TRUE(SignalPidfd(qemu->get(), SIGKILL).ok());
  ASSERT_THAT(vx_.Vxctl({"wait", "db", "--timeout", "30s"}), Succeeds());
  ASSERT_THAT(vx_.Vxctl({"start", "db"}, absl::Seconds(60)), Succeeds());
  EXPECT_TRUE(vx_.WaitForLog("db", "data\nup"));
}

TEST_F(InventoryTest, ARestoreThatWouldForgetAWorkloadIsRefusedUnlessForced) {
  vx_.Start();
  Backup();
  Run("later");
  EXPECT_THAT(Restore(), FailsSaying(1, {"later", "WORKLOADS_NOT_IN_BACKUP", "--force"}));
  EXPECT_EQ(vx_.State("later"), "running");
  const std::string uid = vx_.Inspect("later")["uid"];
  absl::StatusOr<UniqueFd> process = OpenPidfd(static_cast<pid_t>(Pid("later")));
  ASSERT_TRUE(process.ok()) << process.status();
  EXPECT_THAT(Restore({"--force"}), Succeeds());
  EXPECT_EQ(Names(), "");
  EXPECT_TRUE(WaitPidfd(process->get(), absl::Seconds(30))) << "nothing runs unseen";
  // What it wrote is not lost: the inventory that knows it brings it back.
  vx_.Stop();
  const Words kept = Words(*ListDir(vx_.state_dir() + "/backups"));
  ASSERT_EQ(kept.size(), 1u);
  const std::string old = vx_.state_dir() + "/backups/" + kept[0];
  EXPECT_THAT(vx_.RunToEnd({.args = {"--restore", old}}), Succeeds());
  vx_.Start();
  EXPECT_EQ(Names(), "later\n");
  ASSERT_THAT(vx_.Vxctl({"start", "later"}), Succeeds());
  ASSERT_TRUE(vx_.WaitForLog("later", "data\nup"));
}

TEST_F(InventoryTest, WhatIsNoBackupOrOfAnotherVxdIsRefused) {
  vx_.Start();
  std::ofstream(copy()) << "no database";
  EXPECT_THAT(Restore(), FailsSaying(1, {"no backup", "BAD_BACKUP"}));
  EXPECT_THAT(vx_.Vxctl({"system", "restore", "/no/such/file"}), FailsSaying(1, {"/no/such/file"}));
  EXPECT_THAT(vx_.Vxctl({"system", "backup"}), FailsSaying(2, {"-o FILE"}));
  Daemon other;
  other.Start();
  ASSERT_THAT(other.Vxctl({"system", "backup", "-o", copy()}), Succeeds());
  for (const std::string& left : other.ShutDown()) ADD_FAILURE() << left;
  EXPECT_THAT(Restore(), FailsSaying(1, {"another vxd", "BACKUP_OF_ANOTHER"}));
}

TEST_F(InventoryTest, DamagedItIsNotServedAndNotChangedAndABackupHelps) {
  vx_.Start();
  Run("web");
  const int64_t pid = Pid("web");
  Backup();
  vx_.Stop();
  std::string bytes = *ReadFile(database());
  bytes.replace(4096, 4096, std::string(4096, '\x5a'));
  ASSERT_TRUE(WriteFileAtomic(database(), bytes, 0600).ok());
  EXPECT_THAT(vx_.RunToEnd(),
              FailsSaying(1, {database(), "damaged", "DATABASE_CORRUPT", "vxd --restore FILE"}));
  EXPECT_TRUE(*ReadFile(database()) == bytes);
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0) << "workloads go on";
  EXPECT_THAT(vx_.RunToEnd({.args = {"--restore", copy()}}), Succeeds());
  vx_.Start();
  EXPECT_EQ(vx_.State("web"), "running");
  EXPECT_EQ(Pid("web"), pid);
}

TEST_F(InventoryTest, GoneItIsNotBegunAnew) {
  vx_.Start();
  Run("web");
  vx_.Stop();
  const std::string aside = vx_.dir() + "/aside.db";
  ASSERT_EQ(rename(database().c_str(), aside.c_str()), 0);
  EXPECT_THAT(vx_.RunToEnd(), FailsSaying(1, {database(), "DATABASE_MISSING", "--restore"}));
  ASSERT_EQ(rename(aside.c_str(), database().c_str()), 0);
  vx_.Start();
  EXPECT_EQ(vx_.State("web"), "running");
}

// --- A full disk. ---

// A state directory on a disk of its own.
class FullDiskTest : public InventoryTest {
 protected:
  FullDiskTest() {
    EXPECT_NE(mkdtemp(disk_.data()), nullptr);
    EXPECT_EQ(mount("vx", disk_.c_str(), "tmpfs", 0, "size=48m,mode=700"), 0);
    EXPECT_EQ(symlink(disk_.c_str(), vx_.state_dir().c_str()), 0);
  }
  void TearDown() override {
    Free();
    EXPECT_EQ(vx_.RemoveWorkloads(), "");
    vx_.Stop();
    EXPECT_EQ(umount2(disk_.c_str(), 0), 0);
    // Of the vxd that was here nothing is left; its folders are new.
    InventoryTest::TearDown();
    EXPECT_TRUE(RemoveTree(disk_).ok());
  }

  void Fill() const {
    UniqueFd file(open(filler().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const std::string block(4096, 'x');
    while (write(file.get(), block.data(), block.size()) > 0) {
    }
  }
  void Free() const { unlink(filler().c_str()); }
  std::string filler() const { return disk_ + "/filler"; }

  // Not by a name that is vx's.
  std::string disk_ = "/tmp/disk-XXXXXX";
};

TEST_F(FullDiskTest, ChangesAreRefusedWorkloadsGoOnAndItRecoversByItself) {
  vx_.Start({.args = {"--set", "drivers.enabled=container"}});
  Run("web");
  Run("other");
  const int64_t pid = Pid("web");
  Fill();
  EXPECT_THAT(
      vx_.Vxctl({"update", "web", "-l", "n=1"}),
      FailsSaying(1, {"the disk that holds the inventory is full", "DISK_FULL", "make room"}));
  EXPECT_THAT(vx_.Vxctl({"create", "--kind=container", "busybox"}), FailsSaying(1, {"DISK_FULL"}));
  EXPECT_EQ(vx_.State("web"), "running");
  EXPECT_EQ(Pid("web"), pid);
  EXPECT_EQ(kill(static_cast<pid_t>(pid), 0), 0);
  // An end that can't be recorded now is when there is room.
  EXPECT_EQ(kill(static_cast<pid_t>(Pid("other")), SIGKILL), 0);
  Free();
  EXPECT_THAT(vx_.Vxctl({"wait", "other", "--timeout", "60s"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"update", "web", "-l", "room=yes"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"stop", "-t", "0s", "web"}), Succeeds());
}

TEST_F(FullDiskTest, AVmThatWritesWaitsForRoomAndLosesNothing) {
  ASSERT_EQ(mount("vx", disk_.c_str(), "tmpfs", MS_REMOUNT, "size=200m,mode=700"), 0);
  vx_.Start();
  ASSERT_THAT(vx_.Vxctl({"run", "-d", "--kind=vm", "--name", "db", "-m", "128M", "busybox", "--",
                         "sh", "-c",
                         "trap 'dd if=/dev/urandom of=/big bs=1M count=40; sync; md5sum /big; "
                         "echo 3 > /proc/sys/vm/drop_caches; md5sum /big; echo written' USR1; "
                         "echo up; while :; do sleep 0.1; done"}),
              Succeeds());
  ASSERT_TRUE(vx_.WaitForLog("db", "up"));
  Fill();
  ASSERT_THAT(vx_.Vxctl({"kill", "-s", "USR1", "db"}), Succeeds());
  ASSERT_TRUE(vx_.WaitForEvent("db", "the host's disk is full"));
  EXPECT_EQ(vx_.State("db"), "paused");
  Free();
  ASSERT_TRUE(vx_.WaitForLog("db", "written"));
  EXPECT_EQ(vx_.State("db"), "running");
  EXPECT_EQ(vx_.Inspect("db")["status"]["message"], "");
  const std::string log = vx_.Logs("db");
  const size_t sum = log.find("  /big");
  ASSERT_NE(sum, std::string::npos);
  EXPECT_NE(log.find(log.substr(sum - 32, 32), sum), std::string::npos) << "read back: " << log;
}

TEST_F(FullDiskTest, WithNotAByteFreeStopKillAndRmWork) {
  vx_.Start({.args = {"--set", "drivers.enabled=container"}});
  for (const char* name : {"stopped", "killed", "removed", "asked"}) Run(name);
  Fill();
  EXPECT_THAT(vx_.Vxctl({"stop", "-t", "0s", "stopped"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"kill", "killed"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"rm", "-f", "removed"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"rm", "stopped", "killed"}), Succeeds());
  EXPECT_EQ(vx_.Vxctl({"ls", "-a", "-q"}).out, "asked\n");
  // What was given back for that is not for new changes.
  EXPECT_THAT(vx_.Vxctl({"update", "asked", "-l", "n=1"}), FailsSaying(1, {"DISK_FULL"}));
  Fill();
  vx_.Kill();
  vx_.Start({.args = {"--set", "drivers.enabled=container"}});
  EXPECT_THAT(vx_.Vxctl({"stop", "-t", "0s", "asked"}), Succeeds());
  Free();
  EXPECT_THAT(vx_.Vxctl({"start", "asked"}), Succeeds());
}

// --- A host that goes down. ---

class RebootTest : public InventoryTest, public testing::WithParamInterface<std::string> {
 protected:
  // What a reboot leaves of it: the state directory.
  void Reboot() {
    std::vector<UniqueFd> processes;
    for (const Json& workload : vx_.VxctlJson({"ls", "-a"})) {
      for (const char* field : {"shimPid", "pid"}) {
        const int64_t pid = workload["status"].value(field, int64_t{0});
        if (pid > 0) processes.push_back(*OpenPidfd(static_cast<pid_t>(pid)));
      }
    }
    vx_.Kill();
    for (const UniqueFd& process : processes) (void)SignalPidfd(process.get(), SIGKILL);
    for (const UniqueFd& process : processes) {
      EXPECT_TRUE(WaitPidfd(process.get(), absl::Seconds(30)));
    }
    EXPECT_TRUE(RemoveTree(vx_.runtime_dir()).ok());
    vx_.Start();
  }
};
VX_EACH_KIND(RebootTest);

TEST_P(RebootTest, WorkloadsAreStoppedAndLostAndStartAgainWithTheirData) {
  vx_.Start();
  Run("web", GetParam());
  Reboot();
  // Taking over waits for the driver.
  ASSERT_THAT(vx_.Vxctl({"wait", "web", "--timeout", "60s"}), Succeeds());
  const Json status = vx_.Inspect("web")["status"];
  EXPECT_EQ(status["state"], "stopped") << status;
  EXPECT_EQ(status["exit"]["reason"], "lost") << status;
  ASSERT_THAT(vx_.Vxctl({"start", "web"}), Succeeds());
  EXPECT_TRUE(vx_.WaitForLog("web", "data\nup"));
}

TEST_P(RebootTest, ThoseWithAutostartStartByThemselvesAndOnlyThen) {
  vx_.Start();
  Run("auto", GetParam(), {"--autostart"});
  ASSERT_THAT(vx_.Vxctl({"stop", "-t", "0s", "auto"}), Succeeds());
  ASSERT_THAT(vx_.Vxctl({"create", "--kind=" + GetParam(), "--name", "plain", "busybox"}),
              Succeeds());
  vx_.Kill();
  vx_.Start();
  ASSERT_THAT(vx_.Vxctl({"stop", "auto"}), Succeeds());
  EXPECT_EQ(vx_.State("auto"), "stopped") << "the host was not booted";
  Reboot();
  ASSERT_THAT(vx_.Vxctl({"wait", "auto", "--for=running", "--timeout", "60s"}), Succeeds());
  EXPECT_TRUE(vx_.WaitForLog("auto", "data\nup"));
  EXPECT_EQ(vx_.State("plain"), "stopped");
}

}  // namespace
}  // namespace vx::system_test
