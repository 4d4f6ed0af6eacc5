// How runs end by themselves, and that it is told; for many workloads at once, as
// calls for several overlap.
#include <signal.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;

// One whole life and how it ends.
struct Life {
  Behaviour behaviour;
  int code = 0;
  int signal = 0;
  v1::ExitReason reason = v1::EXIT_REASON_EXITED;
  // Of the refusal, where Start can't start the command.
  std::string refusal;
  std::string out;
  std::string err;
};

class Ends : public ContractTest {
 protected:
  // A workload of this life, with what its behaviour asks for.
  v1::Workload WorkloadOf(const Life& life);
  // From Prepare to Release; what differs fails the test.
  void Live(const Life& life);
  void StartOrBeRefused(const v1::Workload& workload, const Life& life);
};

const std::vector<Life>& Lives() {
  static const auto* lives = new std::vector<Life>{
      {.behaviour = Behaviour::kStreams, .code = 7, .out = "to out\n", .err = "to err\n"},
      {.behaviour = Behaviour::kSegfault,
       .code = 128 + SIGSEGV,
       .signal = SIGSEGV,
       .reason = v1::EXIT_REASON_CRASHED},
      {.behaviour = Behaviour::kMemoryHog,
       .code = 128 + SIGKILL,
       .signal = SIGKILL,
       .reason = v1::EXIT_REASON_OOM},
      {.behaviour = Behaviour::kNotFound, .code = 127, .refusal = "COMMAND_NOT_FOUND"},
      {.behaviour = Behaviour::kNotExecutable, .code = 126, .refusal = "COMMAND_NOT_EXECUTABLE"},
      {.behaviour = Behaviour::kSurroundings, .out = "hello, you  two='1'\n/tmp\nelsewhere\n"},
  };
  return *lives;
}

v1::Workload Ends::WorkloadOf(const Life& life) {
  v1::Workload workload = NewWorkload(life.behaviour);
  v1::WorkloadSpec& spec = *workload.mutable_spec();
  if (life.behaviour == Behaviour::kMemoryHog) {
    spec.mutable_resources()->set_memory_bytes(int64_t{Subject::Get().vm() ? 96 : 16} << 20);
  }
  if (life.behaviour == Behaviour::kSurroundings) {
    (*spec.mutable_env())["GREETING"] = "hello, you  two='1'";
    spec.set_working_dir("/tmp");
    spec.set_hostname("elsewhere");
  }
  return workload;
}

void Ends::StartOrBeRefused(const v1::Workload& workload, const Life& life) {
  const absl::Status status = driver().Start(workload.uid());
  if (life.refusal.empty()) {
    VX_ASSERT_OK(status);
    WaitForEnd(workload.uid());
    return;
  }
  EXPECT_THAT(status, IsError(absl::StatusCode::kFailedPrecondition, life.refusal));
  EXPECT_NE(std::string(status.message()).find(workload.spec().command(0)), std::string::npos)
      << "the message doesn't name the command: " << status;
}

void Ends::Live(const Life& life) {
  const v1::Workload workload = WorkloadOf(life);
  const std::string& uid = workload.uid();
  SCOPED_TRACE(workload.spec().command().empty() ? "" : workload.spec().command(0));
  const absl::Time before = absl::Now();
  Prepare(workload);
  Create(workload);
  StartOrBeRefused(workload, life);

  EXPECT_EQ(PresenceOf(uid), Presence::kExited);
  const v1::Exit exit = ExitOf(uid);
  EXPECT_EQ(exit.code(), life.code);
  EXPECT_EQ(exit.signal(), life.signal);
  EXPECT_EQ(exit.reason(), life.reason) << v1::ExitReason_Name(exit.reason());
  const absl::Time at = absl::FromUnixSeconds(exit.time().seconds());
  EXPECT_GE(at, before - absl::Seconds(1));
  EXPECT_LE(at, absl::Now() + absl::Seconds(1));
  // When the end is known, so is all that was written.
  const Output output = OutputOf(uid);
  EXPECT_EQ(output.out, life.out);
  EXPECT_EQ(output.err, life.err);

  // An ended run waits for Delete, and nothing changes how it ended.
  ExpectNothingRuns(uid);
  EXPECT_EQ(ExitOf(uid).SerializeAsString(), exit.SerializeAsString());
  VX_EXPECT_OK(driver().Delete(uid));
  EXPECT_EQ(PresenceOf(uid), Presence::kPrepared);
  VX_EXPECT_OK(driver().Release(uid));
  EXPECT_EQ(PresenceOf(uid), Presence::kNone);
}

TEST_F(Ends, EachRunEndsAsItsCommandDoesWhateverElseRuns) {
  // A guest takes its time: each life once; of others, more at once than there are.
  const size_t count = Subject::Get().vm() ? Lives().size() : 4 * Lives().size();
  std::atomic<size_t> next = 0;
  auto live_some = [&] {
    for (size_t i = next++; i < count; i = next++) Live(Lives()[i % Lives().size()]);
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < Subject::Get().crowd(); ++i) threads.emplace_back(live_some);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace vx::contract
