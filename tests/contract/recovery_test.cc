// What runs goes on when vxd dies, and a new driver object finds it.
//
// The test runs this program twice more over one set of folders: the first half
// starts workloads and kills itself, the second finds them again. So it happens
// as it does to vxd, in processes of their own.
#include <signal.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "tests/contract/contract_test.h"
#include "tests/contract/sandbox.h"

namespace vx::contract {
namespace {

using driver::Presence;
using testing::AnyOf;

// Between the halves: lines "ROLE UID PID SHIM_PID" in the work folder.
constexpr char kHandover[] = "/handover";
constexpr absl::Duration kShortGrace = absl::Milliseconds(200);

class Recovery : public ContractTest {
 protected:
  CommandResult RunHalf(const std::string& half, const std::string& work_dir, int delay_ms = 0) {
    const Settings& settings = Subject::Get().settings();
    const Init init;
    auto result =
        RunCommand({"/proc/self/exe", "--driver=" + settings.driver, "--module=" + settings.module,
                    "--bin=" + settings.bin_dir, "--image=" + settings.image,
                    "--embed-cache=" + settings.embed_cache, "--work=" + work_dir, "--half=" + half,
                    absl::StrCat("--delay-ms=", delay_ms), "--gtest_filter=RecoveryHalf." + half},
                   absl::Minutes(4));
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(CommandResult{.exit_code = -1});
  }
};

class RecoveryHalf : public ContractTest {
 protected:
  void SetUp() override {
    if (Subject::Get().settings().half.empty()) GTEST_SKIP() << "run by Recovery";
  }

  std::string handover() const { return Subject::Get().settings().work_dir + kHandover; }

  void HandOver(const std::string& role, const v1::Workload& workload) {
    auto seen = driver().Observe(workload.uid());
    ASSERT_TRUE(seen.ok()) << seen.status();
    absl::StrAppend(&handed_over_, role, " ", workload.uid(), " ", seen->pid, " ", seen->shim_pid,
                    "\n");
    VX_ASSERT_OK(WriteFileAtomic(handover(), handed_over_, 0600));
  }

 private:
  std::string handed_over_;
};

struct Handed {
  std::string uid;
  int pid = 0;
  int shim_pid = 0;
};

std::map<std::string, Handed> ReadHandover(const std::string& path) {
  std::map<std::string, Handed> roles;
  for (const std::string& line : Lines(ReadFile(path).value_or(""))) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    Handed handed;
    if (fields.size() != 4 || !absl::SimpleAtoi(fields[2], &handed.pid) ||
        !absl::SimpleAtoi(fields[3], &handed.shim_pid)) {
      continue;
    }
    handed.uid = fields[1];
    roles[fields[0]] = handed;
  }
  return roles;
}

// "tick 1" to the last of them, without a gap or a repeat.
void ExpectEveryTick(const std::string& out) {
  const std::vector<std::string> lines = Lines(out);
  for (size_t i = 0; i < lines.size(); ++i) ASSERT_EQ(lines[i], absl::StrCat("tick ", i + 1));
}

TEST_F(RecoveryHalf, first) {
  const v1::Workload prepared = NewWorkload(Behaviour::kTrue);
  Prepare(prepared);
  const v1::Workload created = NewWorkload(Behaviour::kStreams);
  Prepare(created);
  Create(created);
  const v1::Workload ticking = LaunchUntil(Behaviour::kTicks, "tick 2\n");
  const v1::Workload ending = LaunchUntil(Behaviour::kEndsLate, "soon\n");
  HandOver("prepared", prepared);
  HandOver("created", created);
  HandOver("ticking", ticking);
  HandOver("ending", ending);
  if (HasFailure()) return;
  // As a real vxd may die. The fake's runs are part of this process, so they are
  // left in order.
  if (Subject::Get().real()) raise(SIGKILL);
  Subject::Get().Close();
  _exit(128 + SIGKILL);
}

TEST_F(RecoveryHalf, second) {
  std::map<std::string, Handed> roles = ReadHandover(handover());
  ASSERT_EQ(roles.size(), 4u);
  auto all = driver().List();
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), 4u);

  const std::string ticking = roles["ticking"].uid;
  EXPECT_EQ(ListedPresenceOf(ticking), Presence::kRunning);
  auto seen = driver().Observe(ticking);
  ASSERT_TRUE(seen.ok());
  EXPECT_EQ(seen->pid, roles["ticking"].pid);
  EXPECT_GT(seen->shim_pid, 0);
  auto reader = OpenLog(ticking);
  ASSERT_NE(reader, nullptr);
  const Output before = Drain(*reader);
  const Output after = ReadUntil(*reader, "tick ", patience());
  ExpectEveryTick(before.out + after.out);
  VX_EXPECT_OK(driver().Pause(ticking));
  EXPECT_EQ(PresenceOf(ticking), Presence::kPaused);
  VX_EXPECT_OK(driver().Stop(ticking, absl::Seconds(60)));
  EXPECT_EQ(ExitOf(ticking).code(), 3);

  // Its end is the driver's own record, though no driver was there to see it.
  const std::string ending = roles["ending"].uid;
  if (PresenceOf(ending) != Presence::kExited) {
    driver::Observation end;
    EXPECT_TRUE(observations().WaitForEnd(ending, patience(), &end));
  }
  EXPECT_EQ(PresenceOf(ending), Presence::kExited);
  EXPECT_EQ(ExitOf(ending).code(), 5);
  EXPECT_EQ(ExitOf(ending).reason(), v1::EXIT_REASON_EXITED);
  EXPECT_EQ(OutputOf(ending).out, "soon\nlate\n");

  EXPECT_EQ(ListedPresenceOf(roles["prepared"].uid), Presence::kPrepared);
  const std::string created = roles["created"].uid;
  EXPECT_EQ(ListedPresenceOf(created), Presence::kCreated);
  VX_EXPECT_OK(driver().Delete(created));
  EXPECT_EQ(PresenceOf(created), Presence::kPrepared);

  for (const auto& [role, handed] : roles) {
    VX_EXPECT_OK(driver().Release(handed.uid));
    VX_EXPECT_OK(Subject::Get().ReleaseBase(handed.uid));
  }
  all = driver().List();
  ASSERT_TRUE(all.ok());
  EXPECT_TRUE(all->empty());
}

// Lives life after life until it is killed in the middle of something.
TEST_F(RecoveryHalf, dies) {
  int64_t delay_ms = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Subject::Get().settings().delay_ms, &delay_ms));
  const v1::Workload workload = NewWorkload(Behaviour::kStreams);
  VX_ASSERT_OK(WriteFileAtomic(handover(), workload.uid(), 0600));
  std::thread([delay_ms] {
    absl::SleepFor(absl::Milliseconds(delay_ms));
    raise(SIGKILL);
  }).detach();
  while (true) {
    Prepare(workload);
    RunOnce(workload);
    VX_ASSERT_OK(driver().Release(workload.uid()));
  }
}

// Puts right what that left, and sees that nothing of it stays (as main does).
TEST_F(RecoveryHalf, sweeps) {
  const std::string uid = ReadFile(handover()).value_or("");
  ASSERT_EQ(uid.size(), 32u);
  auto all = driver().List();
  ASSERT_TRUE(all.ok()) << all.status();
  for (const driver::Observation& seen : *all) EXPECT_EQ(seen.uid, uid);
  VX_EXPECT_OK(driver().Delete(uid));
  EXPECT_THAT(PresenceOf(uid), AnyOf(Presence::kNone, Presence::kPrepared));
  VX_EXPECT_OK(driver().Release(uid));
  EXPECT_EQ(PresenceOf(uid), Presence::kNone);
  EXPECT_EQ(ListedPresenceOf(uid), Presence::kNone);
  VX_EXPECT_OK(Subject::Get().ReleaseBase(uid));
}

// Is killed in the middle of ending a run.
TEST_F(RecoveryHalf, stops) {
  int64_t delay_ms = 0;
  ASSERT_TRUE(absl::SimpleAtoi(Subject::Get().settings().delay_ms, &delay_ms));
  const v1::Workload workload = LaunchUntil(Behaviour::kIgnoresTerm, "ready");
  VX_ASSERT_OK(WriteFileAtomic(handover(), workload.uid(), 0600));
  std::thread([delay_ms] {
    absl::SleepFor(absl::Milliseconds(delay_ms));
    raise(SIGKILL);
  }).detach();
  VX_EXPECT_OK(driver().Stop(workload.uid(), kShortGrace));
  pause();
}

// Ends it for good: nobody but the driver killed it.
TEST_F(RecoveryHalf, finishes) {
  const std::string uid = ReadFile(handover()).value_or("");
  VX_EXPECT_OK(driver().Stop(uid, absl::ZeroDuration()));
  EXPECT_EQ(PresenceOf(uid), Presence::kExited);
  EXPECT_EQ(ExitOf(uid).code(), 128 + SIGKILL) << ExitOf(uid).ShortDebugString();
  EXPECT_EQ(ExitOf(uid).signal(), SIGKILL);
  EXPECT_EQ(ExitOf(uid).reason(), v1::EXIT_REASON_CRASHED);
  VX_EXPECT_OK(driver().Release(uid));
  VX_EXPECT_OK(Subject::Get().ReleaseBase(uid));
}

TEST_F(Recovery, ARunThatIsEndedWhenTheDriverDiesIsStillKnownAsKilled) {
  if (!Subject::Get().real()) GTEST_SKIP() << "its runs die with it";
  const std::string work_dir = absl::StrCat(Subject::Get().settings().work_dir, "/k");
  VX_ASSERT_OK(MakeDirs(work_dir, 0700));
  auto clean = absl::MakeCleanup([&] {
    SweepInstance(ReadFile(work_dir + "/instance").value_or("no instance"));
    VX_EXPECT_OK(RemoveTree(work_dir));
  });
  // In the grace, and while it is killed, which takes a container less time.
  const std::vector<int> container{100, 201, 203, 206};
  const std::vector<int> vm{100, 230};
  for (int delay_ms : Subject::Get().vm() ? vm : container) {
    SCOPED_TRACE(absl::StrCat("killed after ", delay_ms, " ms"));
    const CommandResult stopped = RunHalf("stops", work_dir, delay_ms);
    ASSERT_EQ(stopped.exit_code, 128 + SIGKILL) << stopped.out << stopped.err;
    const CommandResult finished = RunHalf("finishes", work_dir);
    ASSERT_EQ(finished.exit_code, 0) << finished.out << finished.err;
  }
}

TEST_F(Recovery, ADeathInTheMiddleOfAnythingIsPutRight) {
  const std::string work_dir = absl::StrCat(Subject::Get().settings().work_dir, "/d");
  VX_ASSERT_OK(MakeDirs(work_dir, 0700));
  auto clean = absl::MakeCleanup([&] {
    SweepInstance(ReadFile(work_dir + "/instance").value_or("no instance"));
    VX_EXPECT_OK(RemoveTree(work_dir));
  });
  const std::vector<int> container{0, 1, 2, 3, 5, 7, 9, 11, 13, 16, 19, 23, 28, 35, 50};
  const std::vector<int> vm{60, 400, 1000, 2500};
  for (int delay_ms : Subject::Get().vm() ? vm : container) {
    SCOPED_TRACE(absl::StrCat("killed after ", delay_ms, " ms"));
    const CommandResult died = RunHalf("dies", work_dir, delay_ms);
    ASSERT_EQ(died.exit_code, 128 + SIGKILL) << died.out << died.err;
    const CommandResult swept = RunHalf("sweeps", work_dir);
    ASSERT_EQ(swept.exit_code, 0) << swept.out << swept.err;
  }
}

TEST_F(Recovery, ARunOutlivesTheDriverAndANewOneFindsIt) {
  const std::string work_dir = absl::StrCat(Subject::Get().settings().work_dir, "/h");
  VX_ASSERT_OK(MakeDirs(work_dir, 0700));
  auto clean = absl::MakeCleanup([&] {
    // Nothing, if the second half was well.
    SweepInstance(ReadFile(work_dir + "/instance").value_or("no instance"));
    VX_EXPECT_OK(RemoveTree(work_dir));
  });
  const CommandResult first = RunHalf("first", work_dir);
  ASSERT_EQ(first.exit_code, 128 + SIGKILL) << first.out << first.err;
  // The run that ends shall do so while nobody looks: then its shim is done, or, as
  // a machine may wait for its driver, has had the time for it.
  const std::map<std::string, Handed> roles = ReadHandover(work_dir + kHandover);
  ASSERT_TRUE(roles.contains("ending"));
  const bool vm = Subject::Get().vm();
  if (auto shim = OpenPidfd(roles.at("ending").shim_pid); shim.ok()) {
    const bool ended = WaitPidfd(shim->get(), vm ? absl::Seconds(8) : patience());
    EXPECT_TRUE(ended || vm);
  }
  const CommandResult second = RunHalf("second", work_dir);
  EXPECT_EQ(second.exit_code, 0) << second.out << second.err;
}

}  // namespace
}  // namespace vx::contract
