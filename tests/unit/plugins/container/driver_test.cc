// The driver over the real kernel, where it goes beyond the contract that all
// drivers share (tests/contract). Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "daemon/driver/loader.h"
#include "plugins/cgroup/cgroup.h"

namespace vx::container {
namespace {

using driver::Observation;
using driver::Presence;
using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class ContainerDriverTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    // Ids must be mapped there, which a tmpfs can't on older kernels.
    char name[] = "/var/tmp/vx-test-XXXXXX";
    dir_ = mkdtemp(name);
    environment_.instance_id = RandomHex(8);
    environment_.state_dir = dir_ + "/state";
    environment_.runtime_dir = dir_ + "/run";
    environment_.bin_dir = VX_BIN_DIR;
    environment_.options["container.subuid_claims_file"] = dir_ + "/claims";
    for (const std::string& folder : {environment_.state_dir, environment_.runtime_dir,
                                      dir_ + "/layer/bin", dir_ + "/layer/etc"}) {
      ASSERT_TRUE(MakeDirs(folder, 0755).ok());
    }
    ASSERT_TRUE(RunCommandOk({"cp", FindProgram("busybox"), dir_ + "/layer/bin/busybox"}).ok());
    for (const char* applet : {"sh", "sleep", "id", "cat", "kill"}) {
      ASSERT_EQ(symlink("busybox", absl::StrCat(dir_, "/layer/bin/", applet).c_str()), 0);
    }
    Put("etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/srv:/bin/sh\n");
    Put("etc/group", "root:x:0:\nmail:x:8:web\n");
    Open();
  }

  void TearDown() override {
    if (driver_ != nullptr) {
      auto all = driver_->List();
      for (const Observation& seen : all.value_or(std::vector<Observation>())) {
        EXPECT_TRUE(driver_->Release(seen.uid).ok());
      }
      driver_->SetObserver(nullptr);
      driver_.reset();
      ExpectNoGroups();
    }
    EXPECT_TRUE(dir_.empty() || RemoveTree(dir_).ok());
  }

  void Put(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomic(absl::StrCat(dir_, "/layer/", name), content, 0644).ok());
  }

  void Open() {
    driver_.reset();
    auto opened = driver::LoadDriver(VX_MODULE, environment_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    driver_ = *std::move(opened);
    ASSERT_EQ(driver_->Probe().state(), v1::DRIVER_STATE_READY) << driver_->Probe().reason();
    driver_->SetObserver([this](const Observation& seen) {
      absl::MutexLock lock(&mutex_);
      last_ = seen;
    });
    ASSERT_TRUE(driver_->WaitSettled(kPatience).ok());
  }

  // Every hierarchy is as it was.
  void ExpectNoGroups() {
    auto layout = cgroup::FindCgroups();
    ASSERT_TRUE(layout.ok());
    std::vector<std::string> mounts = layout->Hierarchies();
    if (!layout->unified.empty()) mounts.push_back(layout->unified);
    for (const std::string& mount : mounts) {
      EXPECT_FALSE(PathExists(absl::StrCat(mount, "/vx-", environment_.instance_id))) << mount;
    }
  }

  v1::Workload Workload(std::vector<std::string> command) {
    v1::Workload workload;
    workload.set_name("test");
    workload.set_uid(RandomHex(32));
    workload.mutable_spec()->set_image("test");
    for (std::string& word : command) workload.mutable_spec()->add_command(std::move(word));
    return workload;
  }

  void Launch(const v1::Workload& workload) {
    driver::Base base;
    base.layers = {dir_ + "/layer"};
    ASSERT_TRUE(driver_->Prepare(workload, base).ok());
    auto endpoint = driver_->Create(workload);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_TRUE(endpoint->netns.valid());
    const absl::Status started = driver_->Start(workload.uid());
    ASSERT_TRUE(started.ok()) << started;
  }

  v1::Exit WaitForEnd(const std::string& uid) {
    absl::MutexLock lock(&mutex_);
    auto ended = [&] { return last_.uid == uid && last_.presence == Presence::kExited; };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&ended), kPatience));
    return last_.exit.value_or(v1::Exit());
  }

  // Until the observer is told it.
  bool WaitForMessage(const std::string& message) {
    absl::MutexLock lock(&mutex_);
    auto told = [&] { return last_.message == message; };
    return mutex_.AwaitWithTimeout(absl::Condition(&told), kPatience);
  }

  // Descriptors of the kinds that notices are: what else is open changes by itself, as
  // the trash is emptied.
  static int64_t OpenNotices() {
    const std::vector<std::string> files = ListDir("/proc/self/fd").value();
    return std::count_if(files.begin(), files.end(), [](const std::string& fd) {
      char target[256];
      const ssize_t size = readlink(("/proc/self/fd/" + fd).c_str(), target, sizeof target);
      const absl::string_view file(target, std::max<ssize_t>(size, 0));
      return absl::EndsWith(file, "[eventfd]") || absl::StrContains(file, "/memory.events");
    });
  }

  // A look at the count that has begun keeps its notice until it is over.
  static bool WaitForOpenNotices(int64_t number) {
    const absl::Time until = absl::Now() + kPatience;
    while (OpenNotices() != number && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
    return OpenNotices() == number;
  }

  // The next WaitForEnd is for another run.
  void ForgetEnd() {
    absl::MutexLock lock(&mutex_);
    last_ = {};
  }

  std::string Run(const v1::Workload& workload) {
    Launch(workload);
    EXPECT_EQ(WaitForEnd(workload.uid()).code(), 0);
    return Output(workload.uid());
  }

  std::string Output(const std::string& uid) {
    std::string output;
    auto reader = driver_->OpenLog(uid, {});
    driver::LogEntry entry;
    while (reader.ok() && *(*reader)->Next(entry)) output += entry.data;
    return output;
  }

  Observation Observe(const std::string& uid) {
    auto seen = driver_->Observe(uid);
    EXPECT_TRUE(seen.ok()) << seen.status();
    return seen.value_or(Observation());
  }

  std::string dir_;
  driver::Environment environment_;
  absl::Mutex mutex_;
  Observation last_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<driver::Driver> driver_;
};

TEST_F(ContainerDriverTest, AContainerWhoseShimWasKilledDoesNotLiveOn) {
  const v1::Workload workload = Workload({"sleep", "1000"});
  Launch(workload);
  const Observation seen = Observe(workload.uid());
  auto init = OpenPidfd(static_cast<pid_t>(seen.pid));
  ASSERT_TRUE(init.ok());
  ASSERT_EQ(kill(static_cast<pid_t>(seen.shim_pid), SIGKILL), 0);
  EXPECT_TRUE(WaitPidfd(init->get(), kPatience));
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED);
  EXPECT_THAT(exit.message(), HasSubstr("vx-shim"));
  EXPECT_EQ(Observe(workload.uid()).presence, Presence::kExited);
}

TEST_F(ContainerDriverTest, AShimThatDiedWhileNobodyLookedIsFoundOut) {
  // A child that outlives PDEATHSIG, as it is lost by whoever changes its ids.
  const v1::Workload workload = Workload({"sh", "-c", "sleep 1000 & wait"});
  Launch(workload);
  const Observation seen = Observe(workload.uid());
  auto init = OpenPidfd(static_cast<pid_t>(seen.pid));
  ASSERT_TRUE(init.ok());
  driver_->SetObserver(nullptr);
  driver_.reset();
  ASSERT_EQ(kill(static_cast<pid_t>(seen.shim_pid), SIGKILL), 0);
  Open();
  EXPECT_TRUE(WaitPidfd(init->get(), kPatience));
  const Observation after = Observe(workload.uid());
  EXPECT_EQ(after.presence, Presence::kExited);
  ASSERT_TRUE(after.exit.has_value());
  EXPECT_EQ(after.exit->reason(), v1::EXIT_REASON_CRASHED);
}

TEST_F(ContainerDriverTest, LeftoversOfAnUnfinishedCreateAreSweptAtTheStart) {
  driver_->SetObserver(nullptr);
  driver_.reset();
  const std::string uid = RandomHex(32);
  ASSERT_TRUE(MakeDirs(absl::StrCat(environment_.runtime_dir, "/", uid, "/stage"), 0700).ok());
  auto layout = cgroup::FindCgroups();
  ASSERT_TRUE(layout.ok());
  auto orphan =
      cgroup::Cgroup::Open(*layout, absl::StrCat("/vx-", environment_.instance_id, "/orphan"));
  ASSERT_TRUE(orphan->Make({}).ok());
  Open();
  EXPECT_FALSE(PathExists(absl::StrCat(environment_.runtime_dir, "/", uid)));
  EXPECT_FALSE(orphan->Exists());
}

TEST_F(ContainerDriverTest, APartThatTheOomKillerTookIsToldAndNothingOfTheNoticeIsLeft) {
  const int64_t before = OpenNotices();
  v1::Workload workload =
      Workload({"sh", "-c", "for i in 1 2; do busybox tail /dev/zero; done; exec sleep 1000"});
  workload.mutable_spec()->mutable_resources()->set_memory_bytes(32 << 20);
  Launch(workload);
  EXPECT_TRUE(WaitForMessage("2 of its processes were killed: out of memory"));
  const Observation seen = Observe(workload.uid());
  EXPECT_EQ(seen.presence, Presence::kRunning);
  EXPECT_EQ(seen.message, "2 of its processes were killed: out of memory");
  EXPECT_EQ(OpenNotices(), before + 1);
  ASSERT_TRUE(driver_->Release(workload.uid()).ok());
  EXPECT_TRUE(WaitForOpenNotices(before)) << OpenNotices() << ", not " << before;
}

TEST_F(ContainerDriverTest, AUserIsLookedUpInTheImage) {
  v1::Workload workload = Workload({"sh", "-c", "id; echo home=$HOME; echo again >/dev/stdout"});
  workload.mutable_spec()->set_user("web");
  EXPECT_EQ(Run(workload), "uid=33(web) gid=33 groups=8(mail)\nhome=/srv\nagain\n");
}

TEST_F(ContainerDriverTest, AnUnknownUserIsNamed) {
  v1::Workload workload = Workload({"id"});
  workload.mutable_spec()->set_user("nobody-here");
  driver::Base base;
  base.layers = {dir_ + "/layer"};
  ASSERT_TRUE(driver_->Prepare(workload, base).ok());
  ASSERT_TRUE(driver_->Create(workload).ok());
  const absl::Status status = driver_->Start(workload.uid());
  EXPECT_EQ(ErrorReason(status), "NO_USER");
  EXPECT_THAT(std::string(status.message()), HasSubstr("nobody-here"));
  const Observation seen = Observe(workload.uid());
  EXPECT_EQ(seen.presence, Presence::kExited);
  EXPECT_EQ(seen.exit->code(), 126);
  ASSERT_TRUE(driver_->Delete(workload.uid()).ok());
  ExpectNoGroups();
}

TEST_F(ContainerDriverTest, RootInsideIsNobodyOutside) {
  const v1::Workload workload = Workload({"sh", "-c", "echo x >/made; sleep 1000"});
  Launch(workload);
  auto status = ReadFile(absl::StrCat("/proc/", Observe(workload.uid()).pid, "/status"));
  ASSERT_TRUE(status.ok());
  const size_t at = status->find("Uid:\t");
  int uid = 0;
  ASSERT_EQ(sscanf(status->c_str() + at, "Uid:\t%d", &uid), 1);
  EXPECT_GE(uid, 65536);
  EXPECT_THAT(*status, HasSubstr("NoNewPrivs:\t1"));
  EXPECT_THAT(*status, HasSubstr("Seccomp:\t2"));
}

TEST_F(ContainerDriverTest, FilesOfTheWritableLayerBelongToRootOnDisk) {
  const v1::Workload workload = Workload({"sh", "-c", "echo x >/made"});
  Run(workload);
  struct stat st{};
  const std::string made =
      absl::StrCat(environment_.state_dir, "/", workload.uid(), "/root/upper/made");
  ASSERT_EQ(stat(made.c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 0u);
}

TEST_F(ContainerDriverTest, TheKernelsOwnIsOutOfReach) {
  const std::string script =
      "for f in /proc/sys/kernel/hostname /proc/sys/vm/swappiness /sys/kernel/mm/ksm/run; do "
      "(echo 1 >$f) 2>/dev/null && echo wrote $f; done; "
      "cat /proc/keys /proc/timer_list 2>/dev/null; "
      "(kill -9 2) 2>/dev/null; echo done";
  EXPECT_EQ(Run(Workload({"sh", "-c", script})), "done\n");
}

TEST_F(ContainerDriverTest, TheProcessLimitHolds) {
  v1::Workload workload =
      Workload({"sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo not stopped"});
  workload.mutable_spec()->mutable_resources()->set_pids(5);
  Launch(workload);
  EXPECT_NE(WaitForEnd(workload.uid()).code(), 0);
  EXPECT_EQ(Output(workload.uid()).find("not stopped"), std::string::npos);
}

TEST_F(ContainerDriverTest, OneProcessIsEnoughForOne) {
  v1::Workload workload = Workload({"busybox", "echo", "alone"});
  workload.mutable_spec()->mutable_resources()->set_pids(1);
  workload.mutable_spec()->mutable_resources()->set_memory_bytes(4 << 20);
  EXPECT_EQ(Run(workload), "alone\n");
}

TEST_F(ContainerDriverTest, ARemoveOnExitRootCanRunTwice) {
  v1::Workload workload = Workload({"sh", "-c", "echo run >>/made; cat /made"});
  workload.mutable_spec()->set_remove_on_exit(true);
  EXPECT_EQ(Run(workload), "run\n");
  ASSERT_TRUE(driver_->Delete(workload.uid()).ok());
  ForgetEnd();
  ASSERT_TRUE(driver_->Create(workload).ok());
  ASSERT_TRUE(driver_->Start(workload.uid()).ok());
  WaitForEnd(workload.uid());
  EXPECT_EQ(Output(workload.uid()), "run\nrun\nrun\n");
}

TEST_F(ContainerDriverTest, AWorkingDirThatIsNotThereIsMade) {
  v1::Workload workload = Workload({"sh", "-c", "pwd"});
  workload.mutable_spec()->set_working_dir("/not/there/yet");
  EXPECT_EQ(Run(workload), "/not/there/yet\n");
}

}  // namespace
}  // namespace vx::container
