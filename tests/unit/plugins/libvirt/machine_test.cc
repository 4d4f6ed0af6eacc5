// A machine of a real vx-shim and of a process that stands for QEMU, through the
// deaths of vxd: a new Machine over the same folder is what the next vxd has.
#include "plugins/libvirt/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/cancellation.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/becomes.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kName[] = "vx-test-vm";
constexpr int kPort = 9;

class MachineTest : public testing::Test {
 protected:
  void SetUp() override {
    host_ = {.watcher = watcher_.get(),
             .agent_watcher = watcher_.get(),
             .pool = pool_.get(),
             .pid_dir = dir_.path("pids"),
             .ended = [](const std::string&) {},
             .agent_changed = [](const std::string&) {}};
    ASSERT_TRUE(MakeDirs(host_.pid_dir, 0700).ok());
    machine_ = NewMachine();
    const absl::Status launched =
        machine_->LaunchShim({.program = VX_SHIM, .log = dir_.path("log")}, "config");
    ASSERT_TRUE(launched.ok()) << launched;
    auto shim = OpenPidfd(machine_->shim_pid());
    ASSERT_TRUE(shim.ok()) << shim.status();
    shim_ = *std::move(shim);
    StartQemu();
  }

  void TearDown() override {
    machine_.reset();
    watcher_.reset();
    pool_.reset();
    Signal(qemu_, SIGKILL);
    Signal(shim_, SIGKILL);
    for (const UniqueFd* process : {&qemu_, &shim_}) {
      if (process->valid()) waitid(P_PIDFD, process->get(), nullptr, WEXITED);
    }
  }

  std::shared_ptr<Machine> NewMachine() {
    return std::make_shared<Machine>(&host_, "test", kName, dir_.path("r"),
                                     dir_.path("console"));
  }

  // What stands for QEMU: holds the port to the shim, and does nothing.
  void StartQemu() {
    UniqueFd port = ConnectPort();
    auto pid = Spawn({.argv = {"sh", "-c", "mkfifo $1\nread nothing <$1",
                               absl::StrCat("guest=", kName), dir_.path("fifo")},
                      .fds = {{port.get(), kPort}}});
    ASSERT_TRUE(pid.ok()) << pid.status();
    auto pidfd = OpenPidfd(*pid);
    ASSERT_TRUE(pidfd.ok()) << pidfd.status();
    qemu_ = *std::move(pidfd);
    // By then its command line is its own.
    ASSERT_TRUE(Becomes([this] { return PathExists(dir_.path("fifo")); }));
    agent_ = std::move(port);
    dir_.Write(absl::StrCat("pids/", kName, ".pid"), absl::StrCat(*pid, "\n"));
  }

  UniqueFd ConnectPort() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    dir_.path(absl::StrCat("r/", shim::kOutputSocket))
        .copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  void Say(shim::FrameType type, const std::string& body = "") {
    const shim::FrameHeader header{type, static_cast<uint32_t>(body.size())};
    const std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
    EXPECT_EQ(write(agent_.get(), (bytes + body).data(), bytes.size() + body.size()),
              static_cast<ssize_t>(bytes.size() + body.size()));
  }

  void SayExit(int code) {
    const shim::ExitFrame exit{code, 0, 0, 0};
    Say(shim::FrameType::kExit, std::string(reinterpret_cast<const char*>(&exit), sizeof exit));
  }

  // The command runs; from now on the port is QEMU's alone.
  void Start() {
    ASSERT_TRUE(machine_->WatchQemu().ok());
    ASSERT_TRUE(machine_->MarkStarted().ok());
    Say(shim::FrameType::kStarted, std::string(sizeof(shim::StartedFrame), '\0'));
    const absl::Status started = machine_->WaitStarted("sh", kPatience, never_);
    ASSERT_TRUE(started.ok()) << started;
    agent_.reset();
  }

  // Nobody looks any more.
  void VxdDies() { machine_.reset(); }
  void NextVxd() {
    machine_ = NewMachine();
    machine_->Adopt();
  }

  static void Signal(const UniqueFd& process, int signal) {
    if (process.valid()) SignalPidfd(process.get(), signal).IgnoreError();
  }
  static bool Ends(const UniqueFd& process) { return WaitPidfd(process.get(), kPatience); }

  v1::Exit WaitExit() {
    EXPECT_TRUE(machine_->WaitEnded(kPatience)) << "it has not ended";
    EXPECT_TRUE(Ends(qemu_)) << "QEMU runs on";
    return machine_->exit().value_or(v1::Exit());
  }

  void ExpectKilled() {
    const v1::Exit exit = WaitExit();
    EXPECT_EQ(exit.code(), 128 + SIGKILL) << exit.ShortDebugString();
    EXPECT_EQ(exit.signal(), SIGKILL) << exit.ShortDebugString();
    EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED) << exit.ShortDebugString();
    EXPECT_TRUE(exit.has_time());
  }

  TempDir dir_;
  std::unique_ptr<WorkPool> pool_ = std::make_unique<WorkPool>("test-end", 2);
  std::unique_ptr<Watcher> watcher_ = std::make_unique<Watcher>();
  MachineHost host_;
  std::shared_ptr<Machine> machine_;
  Cancellation never_;
  UniqueFd shim_;
  UniqueFd qemu_;
  UniqueFd agent_;
};

TEST_F(MachineTest, WithoutPowerItEndsAsKilled) {
  Start();
  const absl::Status cut = machine_->CutPower();
  EXPECT_TRUE(cut.ok()) << cut;
  ExpectKilled();
}

TEST_F(MachineTest, ThatItsPowerWasCutOutlivesVxd) {
  Start();
  ASSERT_TRUE(machine_->CutPower().ok());
  VxdDies();
  NextVxd();
  ExpectKilled();
}

TEST_F(MachineTest, ACutThatVxdDidNotLiveToMakeIsMadeByTheNext) {
  Start();
  VxdDies();
  dir_.Write("r/power-cut", "");
  NextVxd();
  ExpectKilled();
}

TEST_F(MachineTest, AShimThatRecordsNothingHidesNotThatThePowerWasCut) {
  Start();
  Signal(shim_, SIGSTOP);
  absl::Status cut;
  std::thread cutting([&] { cut = machine_->CutPower(); });
  EXPECT_TRUE(Ends(qemu_));
  Signal(shim_, SIGKILL);
  cutting.join();
  EXPECT_TRUE(cut.ok()) << cut;
  ExpectKilled();
}

TEST_F(MachineTest, OneThatEndedBeforeItsPowerWasCutHasCrashed) {
  Start();
  Signal(shim_, SIGSTOP);
  Signal(qemu_, SIGKILL);
  EXPECT_TRUE(Ends(qemu_));
  std::thread cutting([&] { machine_->CutPower().IgnoreError(); });
  Signal(shim_, SIGCONT);
  cutting.join();
  EXPECT_EQ(WaitExit().code(), -1);
  EXPECT_EQ(WaitExit().reason(), v1::EXIT_REASON_CRASHED);
}

TEST_F(MachineTest, ACutDoesNotHideWhatTheAgentSaid) {
  ASSERT_TRUE(machine_->WatchQemu().ok());
  Say(shim::FrameType::kStarted, std::string(sizeof(shim::StartedFrame), '\0'));
  Signal(shim_, SIGSTOP);
  SayExit(7);
  agent_.reset();
  std::thread cutting([&] { machine_->CutPower().IgnoreError(); });
  EXPECT_TRUE(Ends(qemu_));
  Signal(shim_, SIGCONT);
  cutting.join();
  EXPECT_EQ(WaitExit().code(), 7);
  EXPECT_EQ(WaitExit().reason(), v1::EXIT_REASON_EXITED);
}

TEST_F(MachineTest, QemuIsPutIntoItsGroupByItsVxdOrTheNext) {
  const std::string procs = "cgroup/vx-0123abcd-vm/test/cgroup.procs";
  driver::Environment environment;
  environment.instance_id = "0123abcd";
  ASSERT_TRUE(MakeDirs(dir_.path("cgroup/vx-0123abcd-vm/test"), 0755).ok());
  dir_.Write(procs, "");
  const QemuGroups groups(environment, cgroup::CgroupLayout{.mode = cgroup::CgroupMode::kV2,
                                                            .unified = dir_.path("cgroup")});
  host_.qemu_groups = &groups;
  ASSERT_TRUE(machine_->WatchQemu().ok());
  ASSERT_TRUE(machine_->PlaceQemu().ok());
  const std::string pid = absl::StrCat(machine_->qemu_pid());
  EXPECT_EQ(*ReadFile(dir_.path(procs)), pid);
  dir_.Write(procs, "");
  VxdDies();
  NextVxd();
  EXPECT_EQ(*ReadFile(dir_.path(procs)), pid);
  ASSERT_TRUE(machine_->CutPower().ok());
}

TEST_F(MachineTest, AStartThatIsStuckSaysWhereAndWhatTheConsoleSaid) {
  const auto stuck = [this] {
    const absl::Status status = machine_->WaitStarted("sh", absl::Milliseconds(20), never_);
    EXPECT_EQ(ErrorReason(status), "NOT_STARTED");
    return std::string(status.message());
  };
  ASSERT_TRUE(machine_->WatchQemu().ok());
  ASSERT_TRUE(machine_->MarkStarted().ok());
  EXPECT_THAT(stuck(), testing::HasSubstr("stuck at qemu: "));
  dir_.Write("console",
             "2026-01-31T12:00:00.000000000Z stdout F one\n"
             "2026-01-31T12:00:00.000000000Z stdout F two\n");
  EXPECT_THAT(stuck(), AllOf(testing::HasSubstr("stuck at kernel: "),
                             testing::HasSubstr("said last: one | two")));
  Say(shim::FrameType::kHello,
      std::string(reinterpret_cast<const char*>(&shim::kAgentProtocolVersion),
                  sizeof shim::kAgentProtocolVersion));
  EXPECT_TRUE(Becomes([&] { return stuck().find("stuck at agent: ") != std::string::npos; }));
  ASSERT_TRUE(machine_->CutPower().ok());
}

TEST_F(MachineTest, WhatTheAgentSaidIsFoundByTheNextVxd) {
  ASSERT_TRUE(machine_->WatchQemu().ok());
  Say(shim::FrameType::kStarted, std::string(sizeof(shim::StartedFrame), '\0'));
  VxdDies();
  SayExit(7);
  EXPECT_TRUE(Ends(shim_));
  NextVxd();
  EXPECT_EQ(WaitExit().code(), 7);
  EXPECT_EQ(WaitExit().reason(), v1::EXIT_REASON_EXITED);
}

TEST_F(MachineTest, WhatTheAgentSaidIsFoundByTheNextVxdThoughQemuDiedFirst) {
  ASSERT_TRUE(machine_->WatchQemu().ok());
  Say(shim::FrameType::kStarted, std::string(sizeof(shim::StartedFrame), '\0'));
  VxdDies();
  Signal(shim_, SIGSTOP);
  SayExit(7);
  agent_.reset();
  Signal(qemu_, SIGKILL);
  EXPECT_TRUE(Ends(qemu_));
  Signal(shim_, SIGCONT);
  NextVxd();
  EXPECT_EQ(WaitExit().code(), 7);
  EXPECT_EQ(WaitExit().reason(), v1::EXIT_REASON_EXITED);
}

TEST_F(MachineTest, AQemuThatAnotherKilledHasCrashed) {
  Start();
  Signal(qemu_, SIGKILL);
  EXPECT_EQ(WaitExit().reason(), v1::EXIT_REASON_CRASHED);
  EXPECT_EQ(WaitExit().code(), -1);
}

TEST_F(MachineTest, ADeadShimTakesItsMachineAlongWhichHasCrashed) {
  Start();
  Signal(shim_, SIGKILL);
  const v1::Exit exit = WaitExit();
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED) << exit.ShortDebugString();
  EXPECT_TRUE(exit.has_time());
}

TEST_F(MachineTest, ASilentShimIsNotTakenForADeadOne) {
  Start();
  VxdDies();
  Signal(shim_, SIGSTOP);
  NextVxd();
  EXPECT_FALSE(machine_->ended());
  EXPECT_EQ(machine_->State(), shim::RunState::kRunning);
  Signal(shim_, SIGCONT);
  EXPECT_EQ(machine_->State(), shim::RunState::kRunning);
  EXPECT_FALSE(WaitPidfd(qemu_.get(), absl::ZeroDuration())) << "QEMU was killed";
  EXPECT_GT(machine_->shim_pid(), 0);
}

}  // namespace
}  // namespace vx::libvirt
