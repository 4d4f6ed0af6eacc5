// The fixture of the suite: workloads by behaviour, and their ends and outputs.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/error.h"
#include "daemon/driver/driver.h"
#include "tests/contract/subject.h"
#include "tests/contract/vocabulary.h"

namespace vx::contract {

#define VX_EXPECT_OK(expr)                    \
  do {                                        \
    const absl::Status vx_status = (expr);    \
    EXPECT_TRUE(vx_status.ok()) << vx_status; \
  } while (false)
#define VX_ASSERT_OK(expr)                    \
  do {                                        \
    const absl::Status vx_status = (expr);    \
    ASSERT_TRUE(vx_status.ok()) << vx_status; \
  } while (false)

// What one stream of a log holds, and all of it in order.
struct Output {
  std::string out;
  std::string err;
  std::vector<driver::LogEntry> entries;
};

// Lines of a text, without their newlines.
std::vector<std::string> Lines(const std::string& text);

// Reads all that is there now.
Output Drain(driver::LogReader& reader);

// Reads on, waiting at wake_fd, until stdout has `text`; what was read. Fails the
// test when `patience` is over first.
Output ReadUntil(driver::LogReader& reader, const std::string& text, absl::Duration patience);

class ContractTest : public testing::Test {
 protected:
  ContractTest();
  // Releases what the test made, and sees that nothing of it is left.
  void TearDown() override;

  driver::Driver& driver() { return Subject::Get().driver(); }
  Observations& observations() { return Subject::Get().observations(); }
  absl::Duration patience() const { return Subject::Get().patience(); }

  // A workload of the driver's kind that was not prepared yet. Thread-safe, as is
  // all that takes a uid.
  v1::Workload NewWorkload(Behaviour behaviour);
  // Each fails the test when the driver refuses.
  void Prepare(const v1::Workload& workload);
  void Create(const v1::Workload& workload);
  void Start(const v1::Workload& workload);
  // All three; returns the workload.
  v1::Workload Launch(Behaviour behaviour);
  // Launch, then waits until stdout has `text`.
  v1::Workload LaunchUntil(Behaviour behaviour, const std::string& text);
  void WaitForOutput(const std::string& uid, const std::string& text);

  // Waits until the driver tells of the run's end; how it ended.
  v1::Exit WaitForEnd(const std::string& uid);
  // Runs a prepared workload to its end, and deletes the run.
  v1::Exit RunOnce(const v1::Workload& workload);

  driver::Presence PresenceOf(const std::string& uid);
  v1::Exit ExitOf(const std::string& uid);
  // The same from Observe and List.
  void ExpectPresence(const std::string& uid, driver::Presence presence);
  // Nothing runs: what needs a run says so, what ends one is content.
  void ExpectNothingRuns(const std::string& uid);
  // What List says of it; kNone when it doesn't name it.
  driver::Presence ListedPresenceOf(const std::string& uid);
  std::unique_ptr<driver::LogReader> OpenLog(const std::string& uid,
                                             const driver::LogPosition& position = {});
  // The whole log of an ended run.
  Output OutputOf(const std::string& uid);

 private:
  absl::Mutex mutex_;
  std::set<std::string> uids_ ABSL_GUARDED_BY(mutex_);
};

// An error of this code and reason.
MATCHER_P2(IsError, code, reason, "") {
  *result_listener << arg << ", reason \"" << ErrorReason(arg) << "\"";
  return arg.code() == code && ErrorReason(arg) == reason;
}

inline auto IsNotRunning() { return IsError(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING"); }

}  // namespace vx::contract

namespace vx::driver {
void PrintTo(Presence presence, std::ostream* out);
}
