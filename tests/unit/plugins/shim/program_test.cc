// vx-shim itself, through its client: with a shell script as the runtime, and with
// sockets as the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/pidfd.h"
#include "plugins/shim/client.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class ProgramTest : public testing::Test {
 protected:
  void TearDown() override {
    if (client_ == nullptr) return;
    // Nothing else ends it with its shim here, as a cgroup does elsewhere.
    auto status = client_->Status();
    if (status.ok() && status->init_pid > 0) kill(status->init_pid, SIGKILL);
    SignalPidfd(client_->pidfd(), SIGKILL).IgnoreError();
    EXPECT_TRUE(client_->WaitEnd(kPatience));
  }

  LaunchOptions Options() {
    return {.program = VX_SHIM, .dir = dir_.path(), .log = (dir_ / "log"), .runtime = {}};
  }

  absl::Status Launch(const LaunchOptions& options) {
    auto client = Client::Launch(options);
    if (client.ok()) client_ = *std::move(client);
    return client.status();
  }

  ExitRecord WaitRecord() {
    EXPECT_TRUE(client_->WaitEnd(kPatience));
    auto record = ReadExitRecord(dir_.path());
    EXPECT_TRUE(record.ok() && record->has_value()) << record.status();
    return record.ok() && record->has_value() ? **record : ExitRecord();
  }

  std::string Output(int stream) {
    std::string output;
    auto reader = OpenLog((dir_ / "log"), {});
    driver::LogEntry entry;
    while (reader.ok() && *(*reader)->Next(entry)) {
      if (entry.stream == stream) output += entry.data;
    }
    return output;
  }

  TempDir dir_;
  std::unique_ptr<Client> client_;
};

class ContainerShim : public ProgramTest {
 protected:
  // A runtime that leaves an init which waits at the fifo and then does `command`.
  // Descriptor 4 is the one whose end says that the command runs.
  absl::Status LaunchWith(const std::string& command) {
    return LaunchScript(absl::StrCat("mkfifo start\nexec 9<>start\n",
                                     "(dd bs=1 count=1 <&9 >go 2>&1; exec 9>&-; ", command,
                                     ") &\necho $! > init.pid\n"));
  }

  absl::Status LaunchScript(const std::string& text) {
    const std::string script = (dir_ / "runtime");
    EXPECT_TRUE(WriteFileAtomic(script, absl::StrCat("#!/bin/sh\n", text), 0700).ok());
    LaunchOptions options = Options();
    options.runtime = {script};
    return Launch(options);
  }
};

TEST_F(ContainerShim, KeepsOutputAndExitStatus) {
  ASSERT_TRUE(LaunchWith("exec 4>&-; echo out; echo err >&2; printf end; exit 7").ok());
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  const ExitRecord record = WaitRecord();
  EXPECT_EQ(record.code, 7);
  EXPECT_EQ(record.signal, 0);
  EXPECT_FALSE(record.lost);
  EXPECT_EQ(Output(1), "out\nend");
  EXPECT_EQ(Output(2), "err\n");
}

TEST_F(ContainerShim, EntersItsCgroupBeforeItStartsAnything) {
  // As the runtime finds it.
  const std::string script = (dir_ / "runtime"), procs = (dir_ / "cgroup.procs");
  ASSERT_TRUE(WriteFileAtomic(procs, "", 0600).ok());
  ASSERT_TRUE(WriteFileAtomic(script, "#!/bin/sh\ncat cgroup.procs >&3\nexit 1\n", 0700).ok());
  LaunchOptions options = Options();
  options.runtime = {script};
  options.cgroup_procs = procs;
  EXPECT_EQ(Launch(options).message(), "0");
}

TEST_F(ContainerShim, ACgroupThatIsNotThereIsAnError) {
  LaunchOptions options = Options();
  options.runtime = {"/bin/true"};
  options.cgroup_procs = (dir_ / "none/cgroup.procs");
  EXPECT_THAT(std::string(Launch(options).message()), HasSubstr("cgroup"));
}

TEST_F(ContainerShim, LosesNothingOfALotOfOutput) {
  ASSERT_TRUE(LaunchWith("exec 4>&-; seq 1 200000").ok());
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  EXPECT_EQ(WaitRecord().code, 0);
  std::string expected;
  for (int i = 1; i <= 200000; ++i) absl::StrAppend(&expected, i, "\n");
  EXPECT_TRUE(Output(1) == expected);
}

class ContainerInput : public ContainerShim {
 protected:
  // A run with an input, as LaunchWith.
  void LaunchReader(const std::string& command) {
    const std::string script = (dir_ / "runtime");
    const std::string text = absl::StrCat("#!/bin/sh\nmkfifo start\nexec 9<>start 8<&0\n",
                                          "(dd bs=1 count=1 <&9 >go 2>&1; exec 9>&- 4>&- <&8; ",
                                          command, ") &\necho $! > init.pid\n");
    ASSERT_TRUE(WriteFileAtomic(script, text, 0700).ok());
    LaunchOptions options = Options();
    options.runtime = {script};
    options.stdin = true;
    ASSERT_TRUE(Launch(options).ok());
    ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  }

  std::unique_ptr<driver::Input> Open() {
    auto input = client_->OpenInput();
    EXPECT_TRUE(input.ok()) << input.status();
    return input.ok() ? *std::move(input) : nullptr;
  }

  static void WriteAll(driver::Input& input, absl::string_view data) {
    while (!data.empty()) {
      auto taken = input.Write(data);
      ASSERT_TRUE(taken.ok()) << taken.status();
      data.remove_prefix(*taken);
      if (!data.empty()) WaitWritable(input);
    }
  }

  static void WaitWritable(const driver::Input& input) {
    pollfd p{input.fd(), POLLOUT, 0};
    ASSERT_EQ(poll(&p, 1, 20000), 1);
  }
};

TEST_F(ContainerInput, ReachesTheCommandWholeAndInOrder) {
  std::string data;
  for (int i = 0; data.size() < 1'000'000; ++i) absl::StrAppend(&data, i, "\n");
  LaunchReader("cat");
  auto input = Open();
  ASSERT_NE(input, nullptr);
  WriteAll(*input, data);
  ASSERT_TRUE(input->Close().ok());
  EXPECT_EQ(WaitRecord().code, 0);
  EXPECT_TRUE(Output(1) == data);
}

TEST_F(ContainerInput, OneWhoGoesLeavesItOpenForTheNext) {
  LaunchReader("cat");
  {
    auto first = Open();
    ASSERT_NE(first, nullptr);
    WriteAll(*first, "first\n");
  }
  auto second = Open();
  ASSERT_NE(second, nullptr);
  WriteAll(*second, "second\n");
  ASSERT_TRUE(second->Close().ok());
  EXPECT_EQ(WaitRecord().code, 0);
  EXPECT_EQ(Output(1), "first\nsecond\n");
}

TEST_F(ContainerInput, ACommandThatDoesNotReadHoldsUpOnlyWhoSends) {
  LaunchReader("echo up; read line <&8; exec sleep 1000");
  auto input = Open();
  ASSERT_NE(input, nullptr);
  const std::string data(8 << 20, 'x');
  auto taken = input->Write(data);
  ASSERT_TRUE(taken.ok());
  EXPECT_LT(*taken, data.size());
  // The shim serves others meanwhile.
  EXPECT_TRUE(client_->Status().ok());
}

TEST_F(ContainerInput, WithoutOneItIsRefused) {
  ASSERT_TRUE(LaunchWith("exec 4>&-; exec sleep 1000").ok());
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  EXPECT_EQ(ErrorReason(client_->OpenInput().status()), "NO_STDIN");
}

TEST_F(ContainerShim, KeepsTheLogOfEarlierRuns) {
  ASSERT_TRUE(LaunchWith("exec 4>&-; echo first").ok());
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  WaitRecord();
  for (const char* name : {"start", "exit", "init.pid"}) unlink((dir_ / name).c_str());
  ASSERT_TRUE(LaunchWith("exec 4>&-; echo second").ok());
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  WaitRecord();
  EXPECT_EQ(Output(1), "first\nsecond\n");
}

TEST_F(ContainerShim, SaysWhyACommandCantBeRun) {
  // errno as the shim reads it: ENOENT, then EACCES.
  ASSERT_TRUE(LaunchWith(R"(printf '\002\000\000\000' >&4; exec 4>&-; exit 127)").ok());
  const absl::Status status = client_->Start("nosuch", kPatience);
  EXPECT_EQ(ErrorReason(status), "COMMAND_NOT_FOUND");
  EXPECT_THAT(std::string(status.message()), HasSubstr("nosuch"));
  EXPECT_EQ(WaitRecord().exec_errno, ENOENT);
}

TEST_F(ContainerShim, TellsNotFoundFromNotExecutable) {
  ASSERT_TRUE(LaunchWith(R"(printf '\015\000\000\000' >&4; exec 4>&-; exit 126)").ok());
  EXPECT_EQ(ErrorReason(client_->Start("/etc", kPatience)), "COMMAND_NOT_EXECUTABLE");
  EXPECT_EQ(WaitRecord().code, 126);
}

TEST_F(ContainerShim, ASignalEndsTheCommandAndIsTheExitsSignal) {
  ASSERT_TRUE(LaunchWith("exec 4>&-; exec sleep 1000").ok());
  ASSERT_TRUE(client_->Start("sleep", kPatience).ok());
  EXPECT_TRUE(client_->Signal(SIGTERM).ok());
  const ExitRecord record = WaitRecord();
  EXPECT_EQ(record.signal, SIGTERM);
  EXPECT_EQ(record.code, 128 + SIGTERM);
  EXPECT_EQ(ErrorReason(client_->Signal(SIGTERM)), "NOT_RUNNING");
}

TEST_F(ContainerShim, TheRuntimesComplaintIsTheError) {
  const absl::Status status = LaunchScript("echo 'no such layer' >&3; exit 1");
  EXPECT_EQ(ErrorReason(status), "CREATE_FAILED");
  EXPECT_EQ(status.message(), "no such layer");
}

TEST_F(ContainerShim, AMissingRuntimeIsAnError) {
  LaunchOptions options = Options();
  options.runtime = {(dir_ / "none")};
  EXPECT_THAT(std::string(Launch(options).message()), HasSubstr("can't run"));
}

TEST_F(ContainerShim, IsFoundAgainAndKnowsItsState) {
  EXPECT_TRUE(absl::IsNotFound(Client::Find(dir_.path()).status()));
  ASSERT_TRUE(LaunchWith("exec 4>&-; exec sleep 1000").ok());
  auto found = Client::Find(dir_.path());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->pid(), client_->pid());
  EXPECT_EQ((*found)->Status()->state, RunState::kCreated);
  ASSERT_TRUE((*found)->Start("sleep", kPatience).ok());
  ASSERT_TRUE((*found)->Start("sleep", kPatience).ok());
  auto status = client_->Status();
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->state, RunState::kRunning);
  EXPECT_EQ(kill(status->init_pid, SIGKILL), 0);
  EXPECT_EQ(WaitRecord().signal, SIGKILL);
  EXPECT_TRUE(absl::IsNotFound(Client::Find(dir_.path()).status()));
}

TEST_F(ContainerShim, AnInitThatWasKilledBeforeItsStartCantBeStarted) {
  ASSERT_TRUE(LaunchScript("mkfifo start\n(exec sleep 1000) &\necho $! > init.pid\n").ok());
  auto status = client_->Status();
  ASSERT_TRUE(status.ok());
  kill(status->init_pid, SIGKILL);
  EXPECT_EQ(ErrorReason(client_->Start("sleep", kPatience)), "NOT_RUNNING");
  EXPECT_EQ(WaitRecord().signal, SIGKILL);
}

// What is its own: the stack, the data, and nothing of a heap.
TEST_F(ContainerShim, HasAtMost64KiBOfItsOwn) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a build with sanitizers is not made for size";
#endif
  ASSERT_TRUE(LaunchWith("exec 4>&-; seq 1 20000; exec sleep 1000").ok());
  ASSERT_TRUE(client_->Start("sleep", kPatience).ok());
  auto reader = OpenLog((dir_ / "log"), {});
  ASSERT_TRUE(reader.ok());
  driver::LogEntry entry;
  const absl::Time deadline = absl::Now() + kPatience;
  while (entry.data != "20000\n" && absl::Now() < deadline) {
    if (!*(*reader)->Next(entry)) absl::SleepFor(absl::Milliseconds(5));
  }
  auto maps = ReadFile(absl::StrCat("/proc/", client_->pid(), "/smaps_rollup"));
  ASSERT_TRUE(maps.ok());
  int64_t kib = -1;
  const size_t at = maps->find("Anonymous:");
  ASSERT_EQ(sscanf(maps->c_str() + at, "Anonymous: %ld", &kib), 1);
  EXPECT_GT(kib, 0);
  EXPECT_LE(kib, 64);
}

class MachineShim : public ProgramTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteFileAtomic((dir_ / "config"), std::string(300000, 'c'), 0600).ok());
    ASSERT_TRUE(Launch(Options()).ok());
  }

  UniqueFd Connect(const char* name) {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ / name).copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return fd;
  }

  static void Send(int fd, FrameType type, const std::string& body) {
    const FrameHeader header{type, static_cast<uint32_t>(body.size())};
    const std::string bytes =
        std::string(reinterpret_cast<const char*>(&header), sizeof header) + body;
    EXPECT_EQ(write(fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }

  static void SendExit(int fd, const ExitFrame& exit) {
    Send(fd, FrameType::kExit, std::string(reinterpret_cast<const char*>(&exit), sizeof exit));
  }

  static void SendHello(int fd) {
    const uint32_t version = kAgentProtocolVersion;
    Send(fd, FrameType::kHello, std::string(reinterpret_cast<const char*>(&version), 4) + "agent");
  }

  static std::string Receive(int fd, size_t size) {
    std::string data(size, 0);
    size_t at = 0;
    while (at < size) {
      const ssize_t n = read(fd, data.data() + at, size - at);
      if (n <= 0) break;
      at += static_cast<size_t>(n);
    }
    data.resize(at);
    return data;
  }
};

TEST_F(MachineShim, GivesTheAgentItsConfigAndKeepsWhatItSays) {
  UniqueFd output = Connect("output");
  SendHello(output.get());
  const std::string config = Receive(output.get(), sizeof(FrameHeader) + 300000);
  FrameHeader header{};
  memcpy(&header, config.data(), sizeof header);
  EXPECT_EQ(header.type, FrameType::kConfig);
  EXPECT_EQ(header.length, 300000u);
  EXPECT_EQ(config.substr(sizeof header), std::string(300000, 'c'));
  Send(output.get(), FrameType::kStarted, std::string(sizeof(StartedFrame), '\0'));
  EXPECT_TRUE(client_->Start("sh", kPatience).ok());
  EXPECT_EQ(client_->Status()->state, RunState::kRunning);
  Send(output.get(), FrameType::kStdout, "to out\n");
  Send(output.get(), FrameType::kStderr, "to err\n");
  SendExit(output.get(), {7, 0, 0, 0});
  output.reset();
  const ExitRecord record = WaitRecord();
  EXPECT_EQ(record.code, 7);
  EXPECT_FALSE(record.lost);
  EXPECT_EQ(Output(1), "to out\n");
  EXPECT_EQ(Output(2), "to err\n");
}

TEST_F(MachineShim, PassesSignalsOn) {
  UniqueFd output = Connect("output");
  EXPECT_EQ(ErrorReason(client_->Signal(SIGTERM)), "NOT_RUNNING");
  Send(output.get(), FrameType::kStarted, std::string(sizeof(StartedFrame), '\0'));
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  EXPECT_TRUE(client_->Signal(SIGTERM).ok());
  const std::string frame = Receive(output.get(), sizeof(FrameHeader) + 4);
  int32_t signal = 0;
  ASSERT_EQ(frame.size(), sizeof(FrameHeader) + 4);
  memcpy(&signal, frame.data() + sizeof(FrameHeader), 4);
  EXPECT_EQ(signal, SIGTERM);
}

TEST_F(MachineShim, AnAgentThatCantRunTheCommandSaysWhy) {
  UniqueFd output = Connect("output");
  SendExit(output.get(), {127, 0, 0, ENOENT});
  EXPECT_EQ(ErrorReason(client_->Start("nosuch", kPatience)), "COMMAND_NOT_FOUND");
  // The shim ends by itself, though QEMU still holds its port.
  EXPECT_EQ(WaitRecord().exec_errno, ENOENT);
  EXPECT_EQ(ErrorReason(client_->Start("nosuch", kPatience)), "COMMAND_NOT_FOUND");
}

TEST_F(MachineShim, AMachineThatIsGoneWithoutAWordIsLost) {
  UniqueFd output = Connect("output");
  Send(output.get(), FrameType::kStdout, "last words\n");
  output.reset();
  EXPECT_TRUE(WaitRecord().lost);
  EXPECT_EQ(Output(1), "last words\n");
}

TEST_F(MachineShim, AMachineThatNeverConnectedEndsWhenItIsSaidToBeGone) {
  EXPECT_TRUE(client_->MachineGone().ok());
  EXPECT_TRUE(WaitRecord().lost);
}

TEST_F(MachineShim, WhatIsStillOnItsWayFromAMachineThatIsGoneIsKept) {
  UniqueFd output = Connect("output");
  Send(output.get(), FrameType::kStarted, std::string(sizeof(StartedFrame), '\0'));
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  EXPECT_TRUE(client_->MachineGone().ok());
  Send(output.get(), FrameType::kStdout, "still on its way\n");
  SendExit(output.get(), {7, 0, 0, 0});
  output.reset();
  const ExitRecord record = WaitRecord();
  EXPECT_EQ(record.code, 7);
  EXPECT_FALSE(record.lost);
  EXPECT_EQ(Output(1), "still on its way\n");
}

TEST_F(MachineShim, IsFoundThoughItIsTooBusyToAnswer) {
  ASSERT_TRUE(SignalPidfd(client_->pidfd(), SIGSTOP).ok());
  auto found = Client::Find(dir_.path());
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_EQ((*found)->pid(), client_->pid());
}

TEST_F(MachineShim, AGuestThatBreaksTheProtocolIsCutOff) {
  UniqueFd output = Connect("output");
  Send(output.get(), static_cast<FrameType>(200), "nonsense");
  EXPECT_EQ(Receive(output.get(), 1), "");
  EXPECT_TRUE(WaitRecord().lost);
}

TEST_F(MachineShim, AGuestThatNeverReadsDoesNotStopItsShim) {
  UniqueFd output = Connect("output");
  SendHello(output.get());
  EXPECT_TRUE(client_->Status().ok());
  Send(output.get(), FrameType::kStarted, std::string(sizeof(StartedFrame), '\0'));
  ASSERT_TRUE(client_->Start("sh", kPatience).ok());
  absl::Status status;
  for (int i = 0; i < 20 && status.ok(); ++i) status = client_->Signal(SIGUSR1);
  EXPECT_FALSE(status.ok()) << "signals pile up without a bound";
  EXPECT_TRUE(client_->Status().ok());
}


TEST_F(MachineShim, ItsSocketsAreForItsOwnUserOnly) {
  for (const char* name : {"control", "output", "console"}) {
    struct stat st{};
    ASSERT_EQ(stat((dir_ / name).c_str(), &st), 0) << name;
    EXPECT_EQ(st.st_mode & 0777, 0600u) << name;
  }
}

}  // namespace
}  // namespace vx::shim
