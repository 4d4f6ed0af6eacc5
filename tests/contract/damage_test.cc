// What a driver makes of damage, and that its work leaves nothing behind.
#include <signal.h>

#include <filesystem>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "tests/contract/contract_test.h"
#include "tests/contract/sandbox.h"

namespace vx::contract {
namespace {

using driver::Presence;
using testing::AnyOf;

class Damage : public ContractTest {
 protected:
  void SetUp() override {
    if (!Subject::Get().real()) GTEST_SKIP() << "no process to damage";
  }

  driver::Observation Seen(const std::string& uid) {
    auto seen = driver().Observe(uid);
    EXPECT_TRUE(seen.ok()) << seen.status();
    return seen.value_or(driver::Observation());
  }
};

// What our descriptors are: "NUMBER -> WHAT" each.
std::set<std::string> OpenDescriptors() {
  std::set<std::string> open;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const auto what = std::filesystem::read_symlink(entry.path(), error);
    if (!error) open.insert(absl::StrCat(entry.path().filename().string(), " -> ", what.string()));
  }
  return open;
}

TEST_F(Damage, ARunWhoseShimWasKilledEndsAndIsTold) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  const driver::Observation seen = Seen(workload.uid());
  auto process = OpenPidfd(static_cast<pid_t>(seen.pid));
  ASSERT_TRUE(process.ok()) << process.status();
  ASSERT_GT(seen.shim_pid, 1);
  ASSERT_EQ(kill(static_cast<pid_t>(seen.shim_pid), SIGKILL), 0);
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_THAT(exit.reason(), AnyOf(v1::EXIT_REASON_CRASHED, v1::EXIT_REASON_LOST))
      << v1::ExitReason_Name(exit.reason());
  EXPECT_TRUE(WaitPidfd(process->get(), patience())) << "it lives on unseen";
}

TEST_F(Damage, ARunWhoseProcessWasKilledFromOutsideHasCrashed) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  const driver::Observation seen = Seen(workload.uid());
  ASSERT_GT(seen.pid, 1);
  ASSERT_EQ(kill(static_cast<pid_t>(seen.pid), SIGKILL), 0);
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED) << v1::ExitReason_Name(exit.reason());
  EXPECT_NE(exit.code(), 0);
  EXPECT_EQ(OutputOf(workload.uid()).out, "ready\n");
}

TEST_F(Damage, ABaseThatIsNotThereIsAnErrorThatLeavesNothing) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  auto base = Subject::Get().AcquireBase(workload.uid());
  ASSERT_TRUE(base.ok()) << base.status();
  const std::string missing = Subject::Get().settings().work_dir + "/no-such-base";
  if (!base->disk.empty()) base->disk = missing;
  for (std::string& layer : base->layers) layer = missing;
  absl::Status failure = driver().Prepare(workload, *base);
  const Presence before = failure.ok() ? Presence::kPrepared : Presence::kNone;
  if (failure.ok()) failure = driver().Create(workload).status();
  EXPECT_FALSE(failure.ok());
  EXPECT_TRUE(absl::StrContains(std::string(failure.message()), missing)) << failure;
  ExpectPresence(workload.uid(), before);
}

TEST_F(Damage, ALifeLeavesNeitherDescriptorsNorZombies) {
  if (Subject::Get().vm()) GTEST_SKIP() << "libvirt closes its own in its own time";
  const v1::Workload workload = NewWorkload(Behaviour::kStreams);
  Prepare(workload);
  RunOnce(workload);  // what a driver opens once and for all
  const std::set<std::string> open = OpenDescriptors();
  const size_t zombies = ZombieChildren();
  for (int i = 0; i < 20; ++i) RunOnce(workload);
  EXPECT_LE(OpenDescriptors().size(), open.size())
      << "before: " << testing::PrintToString(open)
      << "\nafter: " << testing::PrintToString(OpenDescriptors());
  EXPECT_LE(ZombieChildren(), zombies);
}

}  // namespace
}  // namespace vx::contract
