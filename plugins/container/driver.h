// The container driver: the contract of daemon/driver/driver.h, over vx-shim and
// vx-runtime. Where it keeps what is in layout.h.
//
// Threads: calls for several uids run side by side; `mutex_` guards only the list
// of runs and is held across no system call that waits. The watcher's thread tells
// the ends of shims, that of later_ that a part of a run was killed.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/delayed_work.h"
#include "daemon/base/watcher.h"
#include "daemon/driver/driver.h"
#include "daemon/driver/id_ranges.h"
#include "daemon/driver/placement.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/layout.h"
#include "plugins/container/seccomp_profile.h"
#include "plugins/container/trash.h"
#include "plugins/shim/client.h"

namespace vx::container {

class ContainerDriver final : public driver::Driver, public driver::Sessions {
 public:
  explicit ContainerDriver(const driver::Environment& environment);
  ~ContainerDriver() override;

  std::string name() const override { return "container"; }
  v1::Kind kind() const override { return v1::KIND_CONTAINER; }
  driver::BaseForm base_form() const override { return driver::BaseForm::kLayers; }

  v1::DriverInfo Probe() override;
  std::vector<v1::Check> Doctor() override;
  absl::Status WaitSettled(absl::Duration timeout) override;

  std::vector<FieldViolation> Validate(const v1::WorkloadSpec& spec) const override;
  absl::Status Prepare(const v1::Workload& workload, const driver::Base& base) override;
  absl::StatusOr<driver::Endpoint> Create(const v1::Workload& workload,
                                          const std::vector<driver::MountSource>& sources) override;
  absl::Status Start(const std::string& uid, Cancellation& cancellation) override;
  absl::Status Stop(const std::string& uid, absl::Duration grace,
                    Cancellation& cancellation) override;
  absl::Status Kill(const std::string& uid, int signal) override;
  absl::Status Pause(const std::string& uid) override;
  absl::Status Resume(const std::string& uid) override;
  absl::Status Update(const std::string& uid, const v1::Resources& resources) override;
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

  driver::Sessions* sessions() override { return this; }
  absl::StatusOr<std::unique_ptr<driver::ExecSession>> Exec(const std::string& uid,
                                                            const driver::ExecSpec& spec) override;
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput(const std::string& uid) override;

 private:
  // A run's shim; null when it had ended before this driver came.
  using Shim = std::shared_ptr<const shim::Client>;
  struct Run {
    Shim shim;
    // What watcher_ does for it.
    std::vector<Watcher::Id> watches;
  };

  // --- driver.cc ---
  absl::Status Settle();
  absl::Status AdoptRun(const std::string& uid);
  void SweepCgroups();
  absl::StatusOr<cgroup::CgroupLayout> Cgroups() const;
  absl::StatusOr<std::unique_ptr<cgroup::Cgroup>> OpenCgroup(const std::string& uid) const;

  // --- create.cc ---
  absl::Status WriteBase(const std::string& uid, const driver::Base& base) const;
  absl::StatusOr<driver::Base> ReadBase(const std::string& uid) const;
  absl::StatusOr<driver::IdRanges> Ids() const;
  absl::Status WriteBundle(const v1::Workload& workload,
                           const std::vector<driver::MountSource>& sources,
                           const driver::Base& base);
  // Path of the profile that a workload runs under; empty: none.
  absl::StatusOr<std::string> SeccompFile(const std::string& uid, const v1::WorkloadSpec& spec);
  absl::StatusOr<Shim> LaunchShim(const std::string& uid, const v1::WorkloadSpec& spec) const;
  absl::StatusOr<driver::Endpoint> EndpointOf(const std::string& uid) const;
  absl::Status RemoveRun(const std::string& uid);

  // --- run.cc ---
  // False when there is no run of that uid.
  bool FindRun(const std::string& uid, Shim& shim) const;
  absl::Status AddRun(const std::string& uid, Shim shim);
  absl::Status WatchEnd(const std::string& uid, Run& run);
  absl::StatusOr<Watcher::Id> WatchOom(const std::string& uid);
  // Its end will not be told any more, but may be being told now.
  void Unwatch(const std::string& uid);
  // The shim of a run that has not ended; FAILED_PRECONDITION (NOT_RUNNING).
  absl::StatusOr<Shim> LiveShim(const std::string& uid) const;
  // Kills all of the run and waits until its shim is done.
  absl::Status EndRun(const std::string& uid, const Shim& shim) const;
  // Once the shim has ended: makes sure that nothing runs on and that there is an
  // exit record.
  absl::Status SettleEnd(const std::string& uid) const;
  void OnShimEnd(const std::string& uid);
  void OnOomKills(const std::string& uid);

  // --- sessions.cc ---
  absl::Status CheckRuns(const std::string& uid) const;

  // --- observe.cc ---
  driver::Observation ObserveRun(const std::string& uid, const Shim& shim) const;
  bool ObserveEnd(const std::string& uid, driver::Observation& seen) const;

  const driver::Environment environment_;
  const Layout layout_;
  // Of shims.
  const driver::ProcessGroups shim_groups_;
  SeccompProfile seccomp_;

  absl::Mutex settle_mutex_;
  bool settled_ ABSL_GUARDED_BY(settle_mutex_) = false;

  mutable absl::Mutex mutex_;
  std::map<std::string, Run> runs_ ABSL_GUARDED_BY(mutex_);

  // Held while the end of a run is dealt with in the watcher's thread.
  absl::Mutex end_mutex_;

  absl::Mutex observer_mutex_;
  driver::Observer observer_ ABSL_GUARDED_BY(observer_mutex_);

  Trash trash_;
  // Last: their threads use the rest, and the watcher's later_ too.
  DelayedWork later_;
  Watcher watcher_;
};

}  // namespace vx::container
