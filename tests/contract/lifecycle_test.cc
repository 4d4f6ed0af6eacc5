// Which calls are allowed when, and what is there after each.
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/pidfd.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;

constexpr absl::Duration kLongGrace = absl::Seconds(60);

class Lifecycle : public ContractTest {};

TEST_F(Lifecycle, EachStepShowsInObserveAndList) {
  const v1::Workload workload = NewWorkload(Behaviour::kEndsOnTerm);
  const std::string& uid = workload.uid();
  ExpectPresence(uid, Presence::kNone);
  Prepare(workload);
  ExpectPresence(uid, Presence::kPrepared);
  Create(workload);
  ExpectPresence(uid, Presence::kCreated);
  const absl::Time before = absl::Now();
  Start(workload);
  ExpectPresence(uid, Presence::kRunning);

  auto seen = driver().Observe(uid);
  ASSERT_TRUE(seen.ok()) << seen.status();
  EXPECT_GT(seen->pid, 0);
  EXPECT_GT(seen->shim_pid, 0);
  EXPECT_NE(seen->pid, seen->shim_pid);
  EXPECT_FALSE(seen->exit.has_value());
  EXPECT_GE(seen->start_time, before - absl::Seconds(1));
  EXPECT_LE(seen->start_time, absl::Now() + absl::Seconds(1));
  UniqueFd process, shim;
  if (Subject::Get().real()) {
    auto opened_process = OpenPidfd(seen->pid), opened_shim = OpenPidfd(seen->shim_pid);
    ASSERT_TRUE(opened_process.ok()) << opened_process.status();
    ASSERT_TRUE(opened_shim.ok()) << opened_shim.status();
    process = *std::move(opened_process);
    shim = *std::move(opened_shim);
  }

  WaitForOutput(uid, "ready");
  driver().SetObserver(nullptr);
  const int calls = observations().calls();
  VX_ASSERT_OK(driver().Stop(uid, kLongGrace));
  ExpectPresence(uid, Presence::kExited);
  seen = driver().Observe(uid);
  ASSERT_TRUE(seen.ok() && seen->exit.has_value());
  EXPECT_EQ(seen->exit->code(), 3);
  EXPECT_EQ(seen->pid, 0);
  EXPECT_EQ(seen->shim_pid, 0);

  VX_ASSERT_OK(driver().Delete(uid));
  ExpectPresence(uid, Presence::kPrepared);
  seen = driver().Observe(uid);
  ASSERT_TRUE(seen.ok());
  EXPECT_FALSE(seen->exit.has_value()) << "the exit record outlived the run";
  if (process.valid()) {
    EXPECT_TRUE(WaitPidfd(process.get(), absl::Seconds(5)));
    EXPECT_TRUE(WaitPidfd(shim.get(), absl::Seconds(5)));
  }
  VX_ASSERT_OK(driver().Release(uid));
  ExpectPresence(uid, Presence::kNone);
  EXPECT_EQ(observations().calls(), calls) << "an observer that was unset was told of the end";
}

TEST_F(Lifecycle, TheEndpointIsTheNetworkThatTheCommandGets) {
  if (!Subject::Get().real() || Subject::Get().vm()) GTEST_SKIP() << "no network namespace";
  const v1::Workload workload = NewWorkload(Behaviour::kForever);
  Prepare(workload);
  auto endpoint = driver().Create(workload);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_TRUE(endpoint->tap.empty());
  ASSERT_TRUE(endpoint->netns.valid());
  EXPECT_EQ(ioctl(endpoint->netns.get(), NS_GET_NSTYPE), CLONE_NEWNET);
  Start(workload);
  auto seen = driver().Observe(workload.uid());
  ASSERT_TRUE(seen.ok()) << seen.status();
  struct stat ours = {}, theirs = {};
  const std::string path = absl::StrCat("/proc/", seen->pid, "/ns/net");
  ASSERT_EQ(fstat(endpoint->netns.get(), &ours), 0);
  ASSERT_EQ(stat(path.c_str(), &theirs), 0) << path;
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
  auto netns = driver().OpenNetns(workload.uid());
  ASSERT_TRUE(netns.ok()) << netns.status();
  ASSERT_EQ(fstat(netns->get(), &ours), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
  auto again = driver().Plug(workload.uid(), v1::NetworkAttachment());
  ASSERT_TRUE(again.ok()) << again.status();
  ASSERT_EQ(fstat(again->netns.get(), &ours), 0);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
}

TEST_F(Lifecycle, AnUnknownWorkloadHasNothing) {
  const std::string uid = NewWorkload(Behaviour::kTrue).uid();
  ExpectPresence(uid, Presence::kNone);
  ExpectNothingRuns(uid);
  VX_EXPECT_OK(driver().Delete(uid));
  VX_EXPECT_OK(driver().Release(uid));
}

TEST_F(Lifecycle, BeforePrepareThereIsNeitherRunNorLog) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  EXPECT_THAT(driver().Create(workload).status(),
              IsError(absl::StatusCode::kFailedPrecondition, "NOT_PREPARED"));
  EXPECT_THAT(driver().OpenLog(workload.uid(), {}).status(),
              IsError(absl::StatusCode::kNotFound, "NOT_PREPARED"));
  EXPECT_FALSE(driver().Start(workload.uid()).ok());
  ExpectPresence(workload.uid(), Presence::kNone);
}

TEST_F(Lifecycle, APreparedWorkloadHasAnEmptyLogAndNoRun) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  Prepare(workload);
  ExpectNothingRuns(workload.uid());
  EXPECT_FALSE(driver().Start(workload.uid()).ok());
  VX_EXPECT_OK(driver().Delete(workload.uid()));
  VX_EXPECT_OK(driver().Delete(workload.uid()));
  EXPECT_TRUE(OutputOf(workload.uid()).entries.empty());
  ExpectPresence(workload.uid(), Presence::kPrepared);
}

TEST_F(Lifecycle, ACommandLessWorkloadCantBeCreated) {
  v1::Workload workload = NewWorkload(Behaviour::kTrue);
  workload.mutable_spec()->clear_command();
  workload.mutable_spec()->add_entrypoint("");
  Prepare(workload);
  EXPECT_THAT(driver().Create(workload).status(),
              IsError(absl::StatusCode::kInvalidArgument, "NO_COMMAND"));
  ExpectPresence(workload.uid(), Presence::kPrepared);
}

TEST_F(Lifecycle, ARunThatWasNeverStartedCanBeDeletedAndMadeAgain) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  Prepare(workload);
  Create(workload);
  EXPECT_TRUE(OutputOf(workload.uid()).entries.empty());
  VX_EXPECT_OK(driver().Delete(workload.uid()));
  ExpectPresence(workload.uid(), Presence::kPrepared);
  Create(workload);
  ExpectPresence(workload.uid(), Presence::kCreated);
  VX_EXPECT_OK(driver().Release(workload.uid()));
  ExpectPresence(workload.uid(), Presence::kNone);
}

TEST_F(Lifecycle, SigkillEndsARunThatWasNeverStarted) {
  const v1::Workload workload = NewWorkload(Behaviour::kTrue);
  Prepare(workload);
  Create(workload);
  VX_ASSERT_OK(driver().Kill(workload.uid(), SIGKILL));
  ExpectPresence(workload.uid(), Presence::kExited);
  EXPECT_EQ(ExitOf(workload.uid()).signal(), SIGKILL);
  ExpectNothingRuns(workload.uid());
}

TEST_F(Lifecycle, DeleteEndsAPausedRunAndReleaseARunningOne) {
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  const std::string& uid = workload.uid();
  VX_ASSERT_OK(driver().Pause(uid));
  VX_ASSERT_OK(driver().Delete(uid));
  ExpectPresence(uid, Presence::kPrepared);
  ExpectNothingRuns(uid);
  VX_ASSERT_OK(driver().Delete(uid));
  Create(workload);
  Start(workload);
  ExpectPresence(uid, Presence::kRunning);
  VX_ASSERT_OK(driver().Release(uid));
  ExpectPresence(uid, Presence::kNone);
  VX_ASSERT_OK(driver().Release(uid));
}

}  // namespace
}  // namespace vx::contract
