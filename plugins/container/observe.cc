// The part of the driver that looks and changes nothing.
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/usage.h"
#include "plugins/container/driver.h"
#include "plugins/container/run_files.h"

namespace vx::container {
namespace {

using driver::Presence;

constexpr char kShimDied[] = "its vx-shim died, so it was ended";

void SetShimDied(v1::Exit& exit) {
  exit.set_reason(v1::EXIT_REASON_CRASHED);
  exit.set_message(kShimDied);
}

// The shim ended without a record of the end.
void SetKilledJustNow(driver::Observation& seen) {
  shim::ExitRecord lost;
  lost.lost = true;
  lost.time = absl::Now();
  seen.presence = Presence::kExited;
  seen.exit = shim::ToExit(lost, false);
  SetShimDied(*seen.exit);
}

std::string SayKilled(int64_t kills) {
  if (kills <= 0) return "";
  return absl::StrCat(kills, " of its processes ", kills == 1 ? "was" : "were",
                      " killed: out of memory");
}

}  // namespace

absl::StatusOr<driver::Observation> ContainerDriver::Observe(const std::string& uid) {
  Shim shim;
  if (FindRun(uid, shim)) return ObserveRun(uid, shim);
  driver::Observation seen;
  seen.uid = uid;
  if (PathExists(layout_.Layers(uid))) seen.presence = Presence::kPrepared;
  return seen;
}

driver::Observation ContainerDriver::ObserveRun(const std::string& uid, const Shim& shim) const {
  driver::Observation seen;
  seen.uid = uid;
  seen.start_time = ReadStartTime(layout_.Run(uid));
  if (ObserveEnd(uid, seen)) return seen;
  if (shim == nullptr || shim->WaitEnd(absl::ZeroDuration())) {
    // Unless the record came meanwhile, the shim was killed just now.
    if (!ObserveEnd(uid, seen)) SetKilledJustNow(seen);
    return seen;
  }
  auto reply = shim->Status();
  if (!reply.ok() && ObserveEnd(uid, seen)) return seen;
  const bool created = reply.ok() && reply->state == shim::RunState::kCreated;
  seen.shim_pid = shim->pid();
  seen.pid = reply.ok() ? reply->init_pid : 0;
  seen.presence = created ? Presence::kCreated : Presence::kRunning;
  auto cgroup = OpenCgroup(uid);
  if (created || !cgroup.ok()) return seen;
  if ((*cgroup)->IsFrozen()) seen.presence = Presence::kPaused;
  seen.message = SayKilled((*cgroup)->OomKills());
  return seen;
}

// False when there is no exit record.
bool ContainerDriver::ObserveEnd(const std::string& uid, driver::Observation& seen) const {
  const std::string dir = layout_.Run(uid);
  auto record = shim::ReadExitRecord(dir);
  if (!record.ok() || !record->has_value()) return false;
  auto cgroup = OpenCgroup(uid);
  seen.presence = Presence::kExited;
  seen.exit = shim::ToExit(**record, cgroup.ok() && (*cgroup)->OomKills() > 0);
  if ((*record)->lost && ShimDied(dir)) SetShimDied(*seen.exit);
  return true;
}

absl::StatusOr<std::vector<driver::Observation>> ContainerDriver::List() {
  std::set<std::string> uids;
  VX_ASSIGN_OR_RETURN(std::vector<std::string> states, ListDir(layout_.state_dir));
  for (const std::string& name : states) {
    if (!name.starts_with(".")) uids.insert(name);
  }
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [uid, shim] : runs_) uids.insert(uid);
  }
  std::vector<driver::Observation> all;
  for (const std::string& uid : uids) {
    VX_ASSIGN_OR_RETURN(driver::Observation seen, Observe(uid));
    if (seen.presence != Presence::kNone) all.push_back(std::move(seen));
  }
  return all;
}

absl::StatusOr<v1::Usage> ContainerDriver::Stats(const std::string& uid) {
  VX_RETURN_IF_ERROR(LiveShim(uid).status());
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  auto stats = cgroup->Stats();
  if (!stats.ok()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
                 absl::StrCat("workload ", uid, " does not run"));
  }
  return cgroup::ToUsage(*stats);
}

}  // namespace vx::container
