// The fake driver: a reference for driver authors, and what tests of the layers
// above stand on. It keeps the whole driver contract and runs no process: its
// commands are a small language (program.h), time passes in one thread for all
// workloads, and ten thousand of them cost little.
//
// Options:
//   fake.kind         "container" (default) or "vm"
//   fake.base_form    "layers" (default) or "disk"
//   fake.unavailable  a sentence: the host can't run it, for this reason
//   fake.probe_ms, fake.settle_ms   how long Probe and WaitSettled take
//   fake.fail, fake.delay_ms        faults and latencies (hooks.h)
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/driver/driver.h"
#include "plugins/fake/hooks.h"
#include "plugins/fake/workload.h"

namespace vx::fake {

class FakeDriver : public driver::Driver, private driver::Console {
 public:
  explicit FakeDriver(const driver::Environment& environment);
  // Leaves all runs as they are: as when vxd dies.
  ~FakeDriver() override;

  std::string name() const override { return "fake"; }
  v1::Kind kind() const override;
  driver::BaseForm base_form() const override;

  v1::DriverInfo Probe() override;
  std::vector<v1::Check> Doctor() override;
  absl::Status WaitSettled(absl::Duration timeout) override;

  std::vector<FieldViolation> Validate(const v1::WorkloadSpec& spec) const override;
  absl::Status Prepare(const v1::Workload& workload, const driver::Base& base) override;
  absl::StatusOr<driver::Endpoint> Create(const v1::Workload& workload,
                                          const std::vector<driver::MountSource>& sources) override;
  using Driver::Create;
  using Driver::Start;
  using Driver::Stop;
  absl::Status Start(const std::string& uid, Cancellation& cancellation) override;
  absl::Status Stop(const std::string& uid, absl::Duration grace,
                    Cancellation& cancellation) override;
  absl::Status Kill(const std::string& uid, int signal) override;
  absl::Status Pause(const std::string& uid) override;
  absl::Status Resume(const std::string& uid) override;
  absl::Status Update(const std::string& uid, const v1::Resources& resources) override;
  // Nothing is plugged in anywhere.
  absl::StatusOr<UniqueFd> OpenNetns(const std::string& uid) override;
  absl::StatusOr<driver::Endpoint> Plug(const std::string& uid,
                                        const v1::NetworkAttachment& attachment) override;
  absl::Status Configure(const std::string& uid, const v1::NetworkAttachment& attachment) override;
  absl::Status Unplug(const std::string& uid, const v1::NetworkAttachment& attachment) override;
  absl::Status Delete(const std::string& uid) override;
  absl::Status Release(const std::string& uid) override;

  absl::StatusOr<driver::Observation> Observe(const std::string& uid) override;
  absl::StatusOr<std::vector<driver::Observation>> List() override;
  absl::StatusOr<v1::Usage> Stats(const std::string& uid) override;
  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLog(
      const std::string& uid, const driver::LogPosition& position) override;
  void SetObserver(driver::Observer observer) override;
  // Of machines (fake.kind).
  driver::Console* console() override { return kind() == v1::KIND_VM ? this : nullptr; }

  // For tests that link the driver: faults from now on.
  Hooks& hooks() { return hooks_; }

 private:
  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenConsoleLog(
      const std::string& uid, const driver::LogPosition& position) override;
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenConsoleInput(const std::string& uid) override;

  // Fault and latency of `method`, by uid or by the name that the workload has.
  absl::Status Enter(const std::string& method, const std::string& uid,
                     Cancellation* cancellation = nullptr);
  // Null when there is none. Calls for one uid never overlap, so what it returns
  // stays as long as the call.
  Workload* Find(const std::string& uid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The same, brought up to now, if it is running or paused; else NOT_RUNNING.
  absl::StatusOr<Workload*> FindActive(const std::string& uid)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After every change: when to look at it next, and whether to tell of its end.
  void Touched(const std::string& uid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(const std::string& uid) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Finds what an earlier object left behind, once, and starts the clock.
  void Load() ABSL_LOCKS_EXCLUDED(mutex_);
  // The thread in which time passes.
  void RunClock() ABSL_LOCKS_EXCLUDED(mutex_, observer_mutex_);
  // Advances what is due; returns what ended since the last time.
  std::vector<driver::Observation> WaitForEnds() ABSL_LOCKS_EXCLUDED(mutex_);

  const driver::Environment environment_;
  Hooks hooks_;

  absl::Mutex mutex_;
  std::map<std::string, std::unique_ptr<Workload>> workloads_ ABSL_GUARDED_BY(mutex_);
  std::set<std::pair<absl::Time, std::string>> due_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Time> due_of_ ABSL_GUARDED_BY(mutex_);
  std::vector<driver::Observation> ended_ ABSL_GUARDED_BY(mutex_);
  // The clock looks again at what is due.
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread clock_ ABSL_GUARDED_BY(mutex_);

  // Held while the observer is called.
  absl::Mutex observer_mutex_;
  driver::Observer observer_ ABSL_GUARDED_BY(observer_mutex_);
};

}  // namespace vx::fake
