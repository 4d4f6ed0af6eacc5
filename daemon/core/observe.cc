// What drivers report, taken in in the workload's turn.
#include <spdlog/spdlog.h>

#include "absl/time/clock.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

// Until there may be room on the disk.
constexpr absl::Duration kRoomPause = absl::Seconds(1);

v1::Exit LostExit() {
  v1::Exit exit;
  exit.set_code(-1);
  exit.set_reason(v1::EXIT_REASON_LOST);
  *exit.mutable_time() = ToProto(absl::Now());
  exit.set_message("its end was not seen");
  return exit;
}

}  // namespace

void Workloads::OnObservation(const driver::Observation& observation) {
  EnqueueWork(observation.uid, [this](driver::Driver& driver, const v1::Workload& workload) {
    return IsActive(workload) ? Absorb(driver, workload) : absl::OkStatus();
  });
}

void Workloads::EnqueueWork(
    const std::string& uid,
    std::function<absl::Status(driver::Driver&, const v1::Workload&)> work) {
  operations_.Enqueue(uid, [this, uid, work = std::move(work)] {
    absl::StatusOr<v1::Workload> workload = Load(uid);
    // It may have been removed while this waited for its turn.
    if (!workload.ok()) return;
    absl::StatusOr<driver::Driver*> driver = drivers_.Await(workload->kind(), Use::kLookAfter);
    // Reconcile may have dealt with it while this waited for the driver.
    workload = Load(uid);
    if (!driver.ok() || !workload.ok()) return;
    absl::Status done = work(**driver, *workload);
    if (done.ok()) return;
    spdlog::error("workload={}: {}", workload->name(), done.ToString());
    if (!absl::IsResourceExhausted(done)) return;
    later_.RunAfter(kRoomPause, [this, uid, work] { EnqueueWork(uid, work); });
  });
}

bool Workloads::EndedByUser(const std::string& uid, const v1::Exit& exit) {
  absl::MutexLock lock(&mutex_);
  auto it = sent_signals_.find(uid);
  if (it == sent_signals_.end()) return false;
  const int signal = exit.signal() != 0 ? exit.signal() : exit.code() - 128;
  return signal > 0 && signal <= 64 && (it->second & SignalBit(signal)) != 0;
}

absl::Status Workloads::CloseRun(driver::Driver& driver, v1::Workload& workload,
                                 const driver::Observation& observation, bool by_user) {
  v1::WorkloadStatus* status = workload.mutable_status();
  v1::Exit exit = observation.exit ? *observation.exit : LostExit();
  const bool may_be_users =
      exit.reason() != v1::EXIT_REASON_OOM && exit.reason() != v1::EXIT_REASON_LOST;
  if (may_be_users && (by_user || EndedByUser(workload.uid(), exit))) {
    exit.set_reason(v1::EXIT_REASON_USER);
  }
  *status->mutable_exit() = exit;
  status->set_state(v1::STATE_STOPPED);
  status->set_desired(v1::DESIRED_STATE_STOPPED);
  status->set_pid(0);
  status->set_shim_pid(0);
  status->set_agent(v1::AGENT_STATE_NONE);
  status->clear_addresses();
  status->set_message(exit.message());
  v1::Workload plugged_in = workload;
  status->clear_networks();
  // On record before it is gone from the host, lest a crash in between lose it.
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  return DeleteRun(driver, plugged_in);
}

absl::Status Workloads::Absorb(driver::Driver& driver, v1::Workload workload) {
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
  v1::WorkloadStatus* status = workload.mutable_status();
  switch (seen.presence) {
    case driver::Presence::kRunning:
    case driver::Presence::kPaused: {
      const v1::State state =
          seen.presence == driver::Presence::kRunning ? v1::STATE_RUNNING : v1::STATE_PAUSED;
      const bool same = status->state() == state && status->pid() == seen.pid &&
                        status->shim_pid() == seen.shim_pid && status->agent() == seen.agent &&
                        status->message() == seen.message;
      if (same) return absl::OkStatus();
      status->set_state(state);
      status->set_desired(state == v1::STATE_RUNNING ? v1::DESIRED_STATE_RUNNING
                                                     : v1::DESIRED_STATE_PAUSED);
      status->set_pid(seen.pid);
      status->set_shim_pid(seen.shim_pid);
      status->set_agent(seen.agent);
      status->set_message(seen.message);
      status->clear_exit();
      if (seen.start_time != absl::InfinitePast()) {
        *status->mutable_start_time() = ToProto(seen.start_time);
      }
      return Save(workload, store::Durability::kObservation);
    }
    default:
      // Ended, or gone without a trace.
      VX_RETURN_IF_ERROR(CloseRun(driver, workload, seen, /*by_user=*/false));
      return workload.spec().remove_on_exit() ? RemoveEnded(driver, workload) : absl::OkStatus();
  }
}

}  // namespace vx::core
