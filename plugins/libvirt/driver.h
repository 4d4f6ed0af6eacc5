// The driver of VMs: OCI images in guests of libvirt and QEMU, with vx-agent as
// their /init and vx-shim as the keeper of their output.
//
// libvirt makes, pauses and ends domains; what is true of one comes from its
// processes (machine.h). Domains are transient and named vx-INSTANCE-UID; files
// are where paths.h says.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/watcher.h"
#include "daemon/base/work_pool.h"
#include "daemon/driver/driver.h"
#include "daemon/driver/id_ranges.h"
#include "daemon/driver/placement.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/host.h"
#include "plugins/libvirt/machine.h"
#include "plugins/libvirt/paths.h"
#include "plugins/libvirt/qemu_groups.h"
#include "plugins/libvirt/qemu_reaper.h"
#include "plugins/libvirt/shares.h"

namespace vx::libvirt {

class LibvirtDriver : public driver::Driver, private driver::Sessions, private driver::Console {
 public:
  explicit LibvirtDriver(const driver::Environment& environment);
  ~LibvirtDriver() override;

  std::string name() const override { return "libvirt"; }
  v1::Kind kind() const override { return v1::KIND_VM; }
  driver::BaseForm base_form() const override { return driver::BaseForm::kDisk; }

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
  std::vector<driver::Stage> Stages(const std::string& uid) override;
  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLog(
      const std::string& uid, const driver::LogPosition& position) override;
  void SetObserver(driver::Observer observer) override;
  driver::Console* console() override { return this; }

  driver::Sessions* sessions() override { return this; }
  absl::StatusOr<std::unique_ptr<driver::ExecSession>> Exec(const std::string& uid,
                                                            const driver::ExecSpec& spec) override;
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput(const std::string& uid) override;

 private:
  using MachinePtr = std::shared_ptr<Machine>;

  absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenConsoleLog(
      const std::string& uid, const driver::LogPosition& position) override;
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenConsoleInput(const std::string& uid) override;

  // Takes charge of what an earlier driver object left; once.
  void Adopt();
  std::string DomainName(const std::string& uid) const;
  MachinePtr MakeMachine(const std::string& uid);
  // Null when there is no run.
  MachinePtr Find(const std::string& uid);
  // The run while it has not ended; FAILED_PRECONDITION (NOT_RUNNING).
  absl::StatusOr<MachinePtr> FindRunning(const std::string& uid);
  absl::StatusOr<Domain> FindDomain(const Machine& machine) const;
  // --- network.cc ---
  absl::Status TakeDown(const Machine& machine, const v1::NetworkAttachment& attachment) const;
  absl::StatusOr<driver::Process> ReadProcess(const std::string& uid) const;
  absl::Status Launch(const MachinePtr& machine, const v1::Workload& workload,
                      const std::vector<driver::MountSource>& sources, const Equipment& equipment);
  absl::Status StartShares(const std::string& uid, const std::vector<Share>& shares,
                           const QemuUser& user) const;
  // The ids of this host that workloads are given.
  absl::StatusOr<driver::IdRanges> Ids() const;
  // Gives the run's QEMU a user, and that user what is the run's.
  absl::StatusOr<QemuUser> HandOver(const DomainSpec& spec, const Machine& machine,
                                    gid_t group) const;
  static absl::Status HandOverDisks(const std::vector<DomainDisk>& disks, const std::string& run,
                                    const QemuUser& user);
  static absl::Status TakeDisksBack(const std::string& run);
  // What is noted in a run's folder.
  static absl::StatusOr<v1::Workload> ReadWorkload(const std::string& run);
  absl::Status UpdateRunning(const Machine& machine, const v1::Resources& resources);
  // Returns once the guest uses so many.
  absl::Status UseProcessors(const Machine& machine, int wanted) const;
  absl::Status PlugProcessors(const Machine& machine, Domain& domain, int wanted);
  absl::Status SetMemory(const Machine& machine, Domain& domain, int64_t bytes);
  absl::Status LimitCpus(const Machine& machine) const;
  void RemoveDomain(const Machine& machine) const;
  // All but its processes and its domain.
  absl::Status RemoveRun(const std::string& uid) const;
  absl::Status End(const MachinePtr& machine);
  // Undoes Pause.
  absl::Status Thaw(const Machine& machine);
  // By Pause, not because it was not started yet.
  bool IsPaused(const Machine& machine) const;
  driver::Observation ObserveMachine(const Machine& machine);
  // Of one that is paused: whether it is because the host's disk is full. Then it goes
  // on once there is room.
  bool LookAfterStarved(const Machine& machine);
  bool HasRoom(const std::string& uid) const;
  void Feed(const std::string& uid);
  // Tells the observer how a run is now.
  void Tell(const std::string& uid);
  absl::StatusOr<v1::Usage> HostUsage(const Machine& machine) const;
  void AddGuestUsage(const Machine& machine, v1::Usage& usage) const;
  void SetGuestClock(const Machine& machine) const;

  const driver::Environment environment_;
  const Paths paths_;
  const driver::ProcessGroups shim_groups_;
  const QemuGroups qemu_groups_;
  Host host_;
  MachineHost machine_host_;
  std::once_flag adopted_;

  absl::Mutex observer_mutex_;
  driver::Observer observer_ ABSL_GUARDED_BY(observer_mutex_);

  absl::Mutex mutex_;
  std::map<std::string, MachinePtr> machines_ ABSL_GUARDED_BY(mutex_);

  // Destroyed first, in this order: watchers, reaper, pool.
  std::unique_ptr<WorkPool> pool_;
  std::unique_ptr<QemuReaper> reaper_;
  std::unique_ptr<Watcher> agent_watcher_;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace vx::libvirt
