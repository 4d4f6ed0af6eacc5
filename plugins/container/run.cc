// The part of the driver that deals with a run: start, signals, limits, its end.
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/cpus.h"
#include "plugins/container/bundle.h"
#include "plugins/container/driver.h"
#include "plugins/container/oom_watch.h"
#include "plugins/container/run_files.h"

namespace vx::container {
namespace {

constexpr absl::Duration kStartTimeout = absl::Seconds(30);
constexpr absl::Duration kEndTimeout = absl::Seconds(10);

absl::Status NotRunning(const std::string& uid) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("workload ", uid, " does not run"));
}

// The shim speaks of its folder; a user knows the workload.
absl::Status InOurWords(const std::string& uid, const absl::Status& status) {
  return ErrorReason(status) == "NOT_RUNNING" ? NotRunning(uid) : status;
}

}  // namespace

bool ContainerDriver::FindRun(const std::string& uid, Shim& shim) const {
  absl::MutexLock lock(&mutex_);
  auto it = runs_.find(uid);
  if (it == runs_.end()) return false;
  shim = it->second.shim;
  return true;
}

absl::Status ContainerDriver::AddRun(const std::string& uid, Shim shim) {
  Run run{std::move(shim), {}};
  if (run.shim != nullptr) {
    // It runs as well without.
    auto oom = WatchOom(uid);
    if (oom.ok()) run.watches.push_back(*oom);
  }
  // An end that comes at once waits here, and finds the run.
  absl::MutexLock lock(&mutex_);
  const absl::Status watched = run.shim == nullptr ? absl::OkStatus() : WatchEnd(uid, run);
  if (watched.ok()) {
    runs_[uid] = std::move(run);
  } else {
    for (Watcher::Id id : run.watches) watcher_.Remove(id);
  }
  return watched;
}

absl::Status ContainerDriver::WatchEnd(const std::string& uid, Run& run) {
  auto tell = [this, uid, shim = run.shim] {
    OnShimEnd(uid);
    return false;
  };
  VX_ASSIGN_OR_RETURN(Watcher::Id id, watcher_.AddBorrowed(run.shim->pidfd(), EPOLLIN, tell));
  run.watches.push_back(id);
  return absl::OkStatus();
}

absl::StatusOr<Watcher::Id> ContainerDriver::WatchOom(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  return OomWatch::Begin(watcher_, later_, std::move(cgroup), [this, uid] { OnOomKills(uid); });
}

void ContainerDriver::Unwatch(const std::string& uid) {
  std::vector<Watcher::Id> watches;
  {
    absl::MutexLock lock(&mutex_);
    auto it = runs_.find(uid);
    if (it != runs_.end()) watches.swap(it->second.watches);
  }
  for (Watcher::Id id : watches) watcher_.Remove(id);
}

absl::StatusOr<ContainerDriver::Shim> ContainerDriver::LiveShim(const std::string& uid) const {
  Shim shim;
  if (!FindRun(uid, shim) || shim == nullptr || shim->WaitEnd(absl::ZeroDuration())) {
    return NotRunning(uid);
  }
  return shim;
}

absl::Status ContainerDriver::Start(const std::string& uid, Cancellation& cancellation) {
  VX_ASSIGN_OR_RETURN(Shim shim, LiveShim(uid));
  VX_ASSIGN_OR_RETURN(RunNotes notes, ReadRunNotes(layout_.Run(uid)));
  VX_RETURN_IF_ERROR(WriteStartTime(layout_.Run(uid), absl::Now()));
  VX_FAULT_POINT("start.container.time");
  absl::Status status = shim->Start(notes.argv0, kStartTimeout, &cancellation);
  if (status.ok()) return status;
  // A command that can't be run ends the run by itself; say so when it has.
  if (absl::IsFailedPrecondition(status)) shim->WaitEnd(kEndTimeout);
  return InOurWords(uid, shim::NameCause(status, notes.user, notes.working_dir));
}

absl::Status ContainerDriver::Stop(const std::string& uid, absl::Duration grace,
                                   Cancellation& cancellation) {
  auto live = LiveShim(uid);
  if (!live.ok()) return absl::OkStatus();
  const Shim& shim = *live;
  VX_ASSIGN_OR_RETURN(RunNotes notes, ReadRunNotes(layout_.Run(uid)));
  auto reply = shim->Status();
  // Init that was not let go ignores signals, as the first of its namespace.
  if (reply.ok() && reply->state == shim::RunState::kRunning) {
    shim->Signal(notes.stop_signal).IgnoreError();
    VX_FAULT_POINT("stop.container.signalled");
    Resume(uid).IgnoreError();
    if (shim->WaitEnd(grace, &cancellation)) return SettleEnd(uid);
    VX_RETURN_IF_ERROR(cancellation.Check());
  }
  return EndRun(uid, shim);
}

absl::Status ContainerDriver::Kill(const std::string& uid, int signal) {
  VX_ASSIGN_OR_RETURN(Shim shim, LiveShim(uid));
  if (signal == SIGKILL) return EndRun(uid, shim);
  return InOurWords(uid, shim->Signal(signal));
}

absl::Status ContainerDriver::Pause(const std::string& uid) {
  VX_RETURN_IF_ERROR(LiveShim(uid).status());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  return cgroup->Freeze(true);
}

absl::Status ContainerDriver::Resume(const std::string& uid) {
  VX_RETURN_IF_ERROR(LiveShim(uid).status());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  return cgroup->IsFrozen() ? cgroup->Freeze(false) : absl::OkStatus();
}

absl::Status ContainerDriver::Update(const std::string& uid, const v1::Resources& resources) {
  if (!LiveShim(uid).ok()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(cgroup::CgroupLayout cgroups, Cgroups());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  cgroup::CgroupLimits limits = ToLimits(resources, cgroups.mode);
  if (limits.cpus.empty()) limits.cpus = cgroup::LiftedCpuset(cgroups, layout_.Cgroup(uid));
  absl::Status status = cgroup->Apply(limits);
  if (status.ok() || !LiveShim(uid).ok()) return absl::OkStatus();
  return Error(
      absl::StatusCode::kFailedPrecondition, "LIMITS_REFUSED",
      absl::StrCat("the kernel refuses the new limits of workload ", uid, ": ", status.message()),
      "a memory limit can't go below what is in use and can't be freed");
}

absl::Status ContainerDriver::EndRun(const std::string& uid, const Shim& shim) const {
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  if (!shim->WaitEnd(absl::ZeroDuration())) VX_RETURN_IF_ERROR(cgroup->Kill(kEndTimeout));
  if (!shim->WaitEnd(kEndTimeout)) {
    // Something outside of the group keeps the output open.
    VX_RETURN_IF_ERROR(SignalPidfd(shim->pidfd(), SIGKILL));
    shim->WaitEnd(kEndTimeout);
  }
  return SettleEnd(uid);
}

absl::Status ContainerDriver::SettleEnd(const std::string& uid) const {
  const std::string dir = layout_.Run(uid);
  VX_ASSIGN_OR_RETURN(std::optional<shim::ExitRecord> record, shim::ReadExitRecord(dir));
  if (record.has_value()) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  VX_RETURN_IF_ERROR(cgroup->Kill(kEndTimeout));
  ReapInit(dir);
  return WriteShimDied(dir);
}

void ContainerDriver::OnShimEnd(const std::string& uid) {
  driver::Observation seen;
  {
    // Delete waits here, so the folder is still the ended run's.
    absl::MutexLock lock(&end_mutex_);
    Shim shim;
    if (!FindRun(uid, shim) || shim == nullptr) return;
    if (!shim->WaitEnd(absl::ZeroDuration())) return;
    SettleEnd(uid).IgnoreError();
    seen = ObserveRun(uid, shim);
  }
  absl::MutexLock lock(&observer_mutex_);
  if (observer_) observer_(seen);
}

void ContainerDriver::OnOomKills(const std::string& uid) {
  Shim shim;
  if (!FindRun(uid, shim) || shim == nullptr) return;
  const driver::Observation seen = ObserveRun(uid, shim);
  // An end is told by OnShimEnd.
  if (seen.message.empty()) return;
  absl::MutexLock lock(&observer_mutex_);
  if (observer_) observer_(seen);
}

}  // namespace vx::container
