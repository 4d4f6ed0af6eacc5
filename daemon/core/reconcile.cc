// Makes the inventory and the host agree after a start of the daemon.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

constexpr int kPageSize = 1000;

absl::Status AbortedError(const std::string& why) {
  return Error(absl::StatusCode::kAborted, "INTERRUPTED", why, "repeat the command");
}

bool Runs(driver::Presence presence) {
  return presence == driver::Presence::kRunning || presence == driver::Presence::kPaused;
}

absl::StatusOr<std::vector<v1::Workload>> WorkloadsOfKind(store::Store& store, v1::Kind kind) {
  std::vector<v1::Workload> all;
  int64_t after = 0;
  do {
    VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> page,
                        store.Read().ListWorkloads(after, kPageSize, [kind](const v1::Workload& w) {
                          return w.kind() == kind;
                        }));
    std::move(page.rows.begin(), page.rows.end(), std::back_inserter(all));
    after = page.next;
  } while (after != 0);
  return all;
}

bool MadeHere(store::Store& store, const std::string& uid) {
  auto operations = store.Read().ListOperations(0, 1, uid);
  return operations.ok() && !operations->rows.empty();
}

// Whether it is a stop, or a restart in its stop.
bool Ends(const v1::Operation& operation, const v1::Workload& workload) {
  if (!IsActive(workload)) return false;
  if (operation.type() == v1::OPERATION_TYPE_STOP) return true;
  return operation.type() == v1::OPERATION_TYPE_RESTART &&
         workload.status().state() == v1::STATE_STOPPING;
}

std::vector<v1::Operation> OfWorkload(const std::vector<v1::Operation>& operations,
                                      const std::string& uid) {
  std::vector<v1::Operation> own;
  std::copy_if(operations.begin(), operations.end(), std::back_inserter(own),
               [&](const v1::Operation& o) { return o.workload_uid() == uid; });
  return own;
}

}  // namespace

absl::Status Workloads::Reconcile(driver::Driver& driver) {
  VX_ASSIGN_OR_RETURN(std::vector<v1::Workload> workloads, WorkloadsOfKind(store_, driver.kind()));
  for (const v1::Workload& workload : workloads) {
    absl::Status status =
        ReconcileWorkload(driver, workload, OfWorkload(interrupted_, workload.uid()));
    if (!status.ok())
      spdlog::error("workload={}: reconcile: {}", workload.name(), status.ToString());
  }
  SweepOrphans(driver);
  return absl::OkStatus();
}

absl::Status Workloads::ReconcileWorkload(driver::Driver& driver, const v1::Workload& workload,
                                          const std::vector<v1::Operation>& interrupted) {
  v1::Workload current = workload;
  if (workload.spec().remove_on_exit()) AwaitReturn(workload.uid());
  bool goes_on = false;
  for (const v1::Operation& operation : interrupted) {
    if (!goes_on && Ends(operation, current)) {
      GoOn(operation);
      goes_on = true;
      continue;
    }
    absl::Status ended = goes_on ? AbortedError("vxd stopped before it came to this change")
                                 : FinishOrUndo(driver, current, operation);
    VX_RETURN_IF_ERROR(EndOperation(operation, ended));
    absl::StatusOr<v1::Workload> reloaded = Load(workload.uid());
    if (!reloaded.ok()) return absl::OkStatus();  // undone or removed
    current = *reloaded;
  }
  if (goes_on) return absl::OkStatus();
  if (current.status().state() == v1::STATE_DELETING) return Remove(driver, current);
  const bool over =
      !IsActive(current) && (current.status().has_exit() || !current.status().message().empty());
  if (over && current.spec().remove_on_exit()) return RemoveEnded(driver, current);
  if (IsActive(current)) return Absorb(driver, current);
  return ClearRun(driver, current);
}

absl::Status Workloads::FinishOrUndo(driver::Driver& driver, v1::Workload& workload,
                                     const v1::Operation& operation) {
  switch (operation.type()) {
    case v1::OPERATION_TYPE_CREATE:
      // Of a vxd that was killed while it made it, or while it undid that.
      if (workload.status().state() == v1::STATE_CREATING ||
          workload.status().state() == v1::STATE_DELETING) {
        VX_RETURN_IF_ERROR(Remove(driver, workload));
        return AbortedError("vxd stopped while it made the workload; what there was is undone");
      }
      return FinishStart(driver, workload);
    case v1::OPERATION_TYPE_START:
      return FinishStart(driver, workload);
    case v1::OPERATION_TYPE_RESTART:
      return FinishRestart(driver, workload);
    case v1::OPERATION_TYPE_STOP:
      return absl::OkStatus();
    case v1::OPERATION_TYPE_DELETE:
      return Remove(driver, workload);
    case v1::OPERATION_TYPE_PAUSE:
      return FinishFreeze(driver, workload, driver::Presence::kPaused);
    case v1::OPERATION_TYPE_RESUME:
      return FinishFreeze(driver, workload, driver::Presence::kRunning);
    case v1::OPERATION_TYPE_KILL:
      return FinishKill(driver, workload);
    case v1::OPERATION_TYPE_UPDATE:
      return UndoUpdate(driver, workload);
    case v1::OPERATION_TYPE_RENAME:
      // The new name was recorded in one go.
      if (workload.name() != operation.target()) return absl::OkStatus();
      return AbortedError("vxd stopped before the change was done");
    default:
      return AbortedError("vxd stopped before the change was done");
  }
}

absl::Status Workloads::FinishStart(driver::Driver& driver, v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
  if (Runs(seen.presence)) return Absorb(driver, workload);
  // What ended before this start had begun is an earlier run.
  const bool begun = workload.status().state() == v1::STATE_STARTING;
  const bool started = begun && seen.start_time != absl::InfinitePast();
  if (seen.presence == driver::Presence::kExited && started) {
    return CloseRun(driver, workload, seen, /*by_user=*/false);
  }
  // On record before it is ended: its end would look like that of one that was started.
  workload.mutable_status()->set_state(v1::STATE_STOPPED);
  workload.mutable_status()->set_desired(v1::DESIRED_STATE_STOPPED);
  v1::Workload plugged_in = workload;
  workload.mutable_status()->clear_networks();
  workload.mutable_status()->clear_addresses();
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  VX_RETURN_IF_ERROR(DeleteRun(driver, plugged_in));
  if (workload.spec().remove_on_exit()) VX_RETURN_IF_ERROR(Remove(driver, workload));
  return AbortedError("vxd stopped before the workload was started");
}

// What is recorded says how far it came: a run that is still there is the old one
// until its end is recorded.
absl::Status Workloads::FinishRestart(driver::Driver& driver, v1::Workload& workload) {
  const v1::State state = workload.status().state();
  if (state == v1::STATE_RUNNING || state == v1::STATE_PAUSED) {
    return AbortedError("vxd stopped before it restarted the workload");
  }
  return FinishStart(driver, workload);
}

absl::Status Workloads::FinishFreeze(driver::Driver& driver, v1::Workload& workload,
                                     driver::Presence wanted) {
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
  if (seen.presence == wanted) return Absorb(driver, workload);
  return AbortedError("vxd stopped before the change was done");
}

// Its signal is not known any more: it has done its work if the run has ended.
absl::Status Workloads::FinishKill(driver::Driver& driver, v1::Workload& workload) {
  if (!IsActive(workload)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
  if (Runs(seen.presence)) return AbortedError("vxd stopped before the signal ended the workload");
  return CloseRun(driver, workload, seen, /*by_user=*/true);
}

// The recorded limits are the old ones; the new ones may be in force.
absl::Status Workloads::UndoUpdate(driver::Driver& driver, const v1::Workload& workload) {
  if (IsActive(workload)) {
    const absl::Status undone = driver.Update(workload.uid(), workload.spec().resources());
    // A run that has ended, or of a kind without live updates, has no new ones.
    if (!undone.ok() && !absl::IsFailedPrecondition(undone)) return undone;
  }
  return AbortedError("vxd stopped before the change was done");
}

// With what is left of the grace. It may be long: nobody else waits for it.
void Workloads::GoOn(const v1::Operation& operation) {
  const std::string& uid = operation.workload_uid();
  Submission submission{.key = uid};
  submission.body = [this, uid, operation](OperationRun& run) -> absl::Status {
    VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
    const absl::Duration whole =
        FromProto(operation.has_grace() ? operation.grace() : workload.spec().stop_grace());
    const absl::Duration waited = absl::Now() - FromProto(operation.create_time());
    const absl::Duration grace = std::max(whole - waited, absl::ZeroDuration());
    return operation.type() == v1::OPERATION_TYPE_STOP ? DoStop(run, uid, grace)
                                                       : DoRestart(run, uid, grace);
  };
  operations_.GoOn(operation, std::move(submission));
}

absl::Status Workloads::EndOperation(v1::Operation operation, const absl::Status& status) {
  operation.set_state(status.ok() ? v1::OPERATION_STATE_DONE : v1::OPERATION_STATE_ABORTED);
  if (!status.ok()) *operation.mutable_error() = ToRpcStatus(status);
  *operation.mutable_end_time() = ToProto(absl::Now());
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
  VX_RETURN_IF_ERROR(tx.PutOperation(operation));
  VX_RETURN_IF_ERROR(tx.AppendEvent(OperationEvent(v1::EVENT_TYPE_OPERATION_CHANGED, operation)));
  return tx.Commit();
}

// Of what is about no workload that is there: its last step was done, or nothing.
absl::Status Workloads::EndOf(const v1::Operation& operation) const {
  const absl::Status aborted = AbortedError("vxd stopped before the change was done");
  switch (operation.type()) {
    case v1::OPERATION_TYPE_DELETE:
      return absl::OkStatus();
    case v1::OPERATION_TYPE_IMAGE_IMPORT:
    case v1::OPERATION_TYPE_IMAGE_PULL:
    case v1::OPERATION_TYPE_IMAGE_TAG:
      return images_.Imported(operation.id()) ? absl::OkStatus() : aborted;
    case v1::OPERATION_TYPE_IMAGE_DELETE:
      return images_.Get(operation.target()).ok() ? aborted : absl::OkStatus();
    case v1::OPERATION_TYPE_VOLUME_CREATE:
    case v1::OPERATION_TYPE_VOLUME_DELETE:
    case v1::OPERATION_TYPE_VOLUME_PRUNE:
      return volumes_.Finished(operation) ? absl::OkStatus() : aborted;
    default:
      return aborted;
  }
}

absl::Status Workloads::NoteInterrupted() {
  VX_ASSIGN_OR_RETURN(std::vector<v1::Operation> open, store_.Read().OpenOperations());
  for (const v1::Operation& operation : open) {
    if (Load(operation.workload_uid()).ok()) {
      interrupted_.push_back(operation);
    } else {
      VX_RETURN_IF_ERROR(EndOperation(operation, EndOf(operation)));
    }
  }
  return absl::OkStatus();
}

void Workloads::AbortInterrupted(v1::Kind kind, const std::string& why) {
  for (const v1::Operation& operation : interrupted_) {
    absl::StatusOr<v1::Workload> workload = Load(operation.workload_uid());
    if (!workload.ok() || workload->kind() != kind) continue;
    absl::Status ended = EndOperation(operation, AbortedError(why));
    if (!ended.ok()) spdlog::error("operation={}: {}", operation.id(), ended.ToString());
  }
}

void Workloads::SweepOrphans(driver::Driver& driver) {
  auto found = driver.List();
  if (!found.ok()) {
    spdlog::error("driver={}: list: {}", driver.name(), found.status().ToString());
    return;
  }
  for (const driver::Observation& observation : *found) {
    if (!absl::IsNotFound(Load(observation.uid).status())) continue;
    absl::Status removed = RemoveOrphan(driver, observation.uid);
    if (!removed.ok()) spdlog::error("orphan {}: {}", observation.uid, removed.ToString());
  }
  for (const std::string& owner : images_.LeaseOwners()) {
    if (absl::IsNotFound(Load(owner).status()) && MadeHere(store_, owner)) {
      (void)images_.Release(owner);
    }
  }
}

// What no operation on record made is of another inventory, as before a restore: it
// does not run unseen, but is not ours to destroy.
absl::Status Workloads::RemoveOrphan(driver::Driver& driver, const std::string& uid) {
  if (MadeHere(store_, uid)) {
    spdlog::warn("driver={}: removes {}, which belongs to no workload", driver.name(), uid);
    return driver.Release(uid);
  }
  spdlog::warn("driver={}: {} belongs to no workload that this inventory ever knew; its files stay",
               driver.name(), uid);
  return driver.Delete(uid);
}

void Workloads::Autostart(v1::Kind kind) {
  auto workloads = WorkloadsOfKind(store_, kind);
  if (!workloads.ok()) spdlog::error("autostart: {}", workloads.status().ToString());
  for (const v1::Workload& workload : workloads.ok() ? *workloads : std::vector<v1::Workload>()) {
    if (!workload.spec().autostart() || IsActive(workload)) continue;
    absl::Status asked = Start(workload.uid(), {.caller = "vxd"}).status();
    if (!asked.ok()) spdlog::error("workload={}: autostart: {}", workload.name(), asked.ToString());
  }
}

}  // namespace vx::core
