// How runs end by themselves, and that it is told.
#include <signal.h>

#include "absl/time/clock.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using driver::Presence;

class Ends : public ContractTest {
 protected:
  void ExpectNotStarted(Behaviour behaviour, const char* reason, int code) {
    const v1::Workload workload = NewWorkload(behaviour);
    Prepare(workload);
    Create(workload);
    const absl::Status status = driver().Start(workload.uid());
    EXPECT_THAT(status, IsError(absl::StatusCode::kFailedPrecondition, reason));
    EXPECT_NE(std::string(status.message()).find(workload.spec().command(0)), std::string::npos)
        << "the message doesn't name the command: " << status;
    EXPECT_EQ(PresenceOf(workload.uid()), Presence::kExited);
    EXPECT_EQ(ExitOf(workload.uid()).code(), code);
    EXPECT_EQ(ExitOf(workload.uid()).reason(), v1::EXIT_REASON_EXITED);
    VX_EXPECT_OK(driver().Delete(workload.uid()));
    EXPECT_EQ(PresenceOf(workload.uid()), Presence::kPrepared);
  }
};

TEST_F(Ends, ACommandsExitStatusIsTheCode) {
  const absl::Time before = absl::Now();
  const v1::Workload workload = Launch(Behaviour::kStreams);
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_EQ(exit.code(), 7);
  EXPECT_EQ(exit.signal(), 0);
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_EXITED);
  const absl::Time at = absl::FromUnixSeconds(exit.time().seconds());
  EXPECT_GE(at, before - absl::Seconds(1));
  EXPECT_LE(at, absl::Now() + absl::Seconds(1));
  // When the end is known, so is all that was written.
  const Output output = OutputOf(workload.uid());
  EXPECT_EQ(output.out, "to out\n");
  EXPECT_EQ(output.err, "to err\n");
}

TEST_F(Ends, AFaultIsACrashWithItsSignal) {
  const v1::Workload workload = Launch(Behaviour::kSegfault);
  const v1::Exit exit = WaitForEnd(workload.uid());
  EXPECT_EQ(exit.signal(), SIGSEGV);
  EXPECT_EQ(exit.code(), 128 + SIGSEGV);
  EXPECT_EQ(exit.reason(), v1::EXIT_REASON_CRASHED);
}

TEST_F(Ends, AMissingCommandEndsTheRunWith127) {
  ExpectNotStarted(Behaviour::kNotFound, "COMMAND_NOT_FOUND", 127);
}

TEST_F(Ends, AFileThatIsNoProgramEndsTheRunWith126) {
  ExpectNotStarted(Behaviour::kNotExecutable, "COMMAND_NOT_EXECUTABLE", 126);
}

TEST_F(Ends, TheCommandFindsWhatTheSpecSays) {
  v1::Workload workload = NewWorkload(Behaviour::kSurroundings);
  (*workload.mutable_spec()->mutable_env())["GREETING"] = "hello, you  two='1'";
  workload.mutable_spec()->set_working_dir("/tmp");
  workload.mutable_spec()->set_hostname("elsewhere");
  Prepare(workload);
  Create(workload);
  Start(workload);
  EXPECT_EQ(WaitForEnd(workload.uid()).code(), 0);
  EXPECT_EQ(OutputOf(workload.uid()).out, "hello, you  two='1'\n/tmp\nelsewhere\n");
}

TEST_F(Ends, AnObserverThatWasUnsetHearsNoMore) {
  const v1::Workload workload = LaunchUntil(Behaviour::kEndsOnTerm, "ready");
  driver().SetObserver(nullptr);
  const int calls = observations().calls();
  VX_ASSERT_OK(driver().Stop(workload.uid(), patience()));
  VX_ASSERT_OK(driver().Delete(workload.uid()));
  EXPECT_EQ(observations().calls(), calls);
}

}  // namespace
}  // namespace vx::contract
