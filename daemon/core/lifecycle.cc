// The steps of every operation on a workload. Each body runs in the workload's
// turn, so nothing else changes it meanwhile.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/ids.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/confinement.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

absl::Duration GraceOf(const v1::Workload& workload, std::optional<absl::Duration> grace) {
  return grace.value_or(FromProto(workload.spec().stop_grace()));
}

image::Form FormOf(const driver::Driver& driver) {
  return driver.base_form() == driver::BaseForm::kLayers ? image::Form::kLayers
                                                         : image::Form::kDisk;
}

void SetRunning(v1::Workload& workload, const driver::Observation& seen) {
  v1::WorkloadStatus* status = workload.mutable_status();
  status->set_state(v1::STATE_RUNNING);
  status->set_desired(v1::DESIRED_STATE_RUNNING);
  status->set_pid(seen.pid);
  status->set_shim_pid(seen.shim_pid);
  status->set_agent(seen.agent);
  status->clear_exit();
  status->set_message(seen.message);
  *status->mutable_start_time() =
      ToProto(seen.start_time == absl::InfinitePast() ? absl::Now() : seen.start_time);
}

// Before the start, so that a command which looks once sees the right one. A size that
// can't be set is no reason not to start.
void SetTerminalSize(driver::Driver& driver, const v1::Workload& workload,
                     driver::TerminalSize size) {
  const bool wanted = workload.spec().tty() && size.columns > 0 && size.rows > 0;
  if (!wanted || driver.sessions() == nullptr) return;
  auto input = driver.sessions()->OpenInput(workload.uid());
  absl::Status set = input.ok() ? (*input)->Resize(size) : input.status();
  if (!set.ok()) spdlog::warn("workload={}: terminal size: {}", workload.name(), set.ToString());
}

}  // namespace

absl::StatusOr<driver::Driver*> Workloads::Enter(OperationRun& run, const std::string& uid, Use use,
                                                 v1::Workload& workload) {
  VX_RETURN_IF_ERROR(run.Phase("driver"));
  VX_ASSIGN_OR_RETURN(workload, Load(uid));
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), use));
  // Reconcile may have changed it while this waited.
  VX_ASSIGN_OR_RETURN(workload, Load(uid));
  return driver;
}

absl::Status Workloads::Build(OperationRun& run, driver::Driver& driver,
                              const v1::Workload& workload) {
  VX_RETURN_IF_ERROR(run.Phase("image"));
  VX_ASSIGN_OR_RETURN(image::Base leased,
                      images_.Acquire(workload.spec().image(), FormOf(driver), workload.uid()));
  VX_FAULT_POINT("create.leased");
  VX_RETURN_IF_ERROR(run.Phase("prepare"));
  VX_RETURN_IF_ERROR(driver.Prepare(workload, {.digest = std::move(leased.digest),
                                               .layers = std::move(leased.layers),
                                               .disk = std::move(leased.disk),
                                               .config = std::move(leased.config)}));
  VX_FAULT_POINT("create.prepared");
  return absl::OkStatus();
}

absl::Status Workloads::DoCreate(OperationRun& run, const std::string& uid,
                                 const CreateOptions& options) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
  driver::Driver* driver = nullptr;
  auto build = [&]() -> absl::Status {
    VX_ASSIGN_OR_RETURN(driver, Enter(run, uid, Use::kRun, workload));
    return Build(run, *driver, workload);
  };
  if (absl::Status built = build(); !built.ok()) {
    run.UndoPhase("undo");
    absl::Status undone = driver ? driver->Release(uid) : absl::OkStatus();
    undone.Update(images_.Release(uid));
    if (!undone.ok()) spdlog::error("workload={}: undo: {}", workload.name(), undone.ToString());
    run.AtEnd([workload](store::Transaction& tx) {
      return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_DELETED, workload);
    });
    return built;
  }
  workload.mutable_status()->set_state(v1::STATE_STOPPED);
  if (options.start) {
    absl::Status launched = Launch(run, *driver, workload, options.terminal_size);
    if (absl::IsCancelled(launched) && !run.superseded()) UndoCreate(run, *driver, uid);
    return launched;
  }
  run.AtEnd([workload](store::Transaction& tx) {
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload);
  });
  return absl::OkStatus();
}

void Workloads::UndoCreate(OperationRun& run, driver::Driver& driver, const std::string& uid) {
  run.AtEnd(nullptr);
  absl::StatusOr<v1::Workload> workload = Load(uid);
  // It may be gone as one that is removed at its exit.
  if (!workload.ok()) return;
  absl::Status removed = Remove(driver, *workload);
  if (!removed.ok()) spdlog::error("workload={}: undo: {}", workload->name(), removed.ToString());
}

absl::Status Workloads::DoStart(OperationRun& run, const std::string& uid) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kRun, workload));
  switch (workload.status().state()) {
    case v1::STATE_RUNNING:
      return absl::OkStatus();
    case v1::STATE_PAUSED:
      return Error(absl::StatusCode::kFailedPrecondition, "PAUSED",
                   absl::StrCat("\"", workload.name(), "\" is paused"),
                   absl::StrCat("vxctl resume ", workload.name()));
    case v1::STATE_FAILED:
      return Error(
          absl::StatusCode::kFailedPrecondition, "FAILED",
          absl::StrCat("\"", workload.name(), "\" has failed: ", workload.status().message()),
          absl::StrCat("remove it: vxctl rm -f ", workload.name()));
    default:
      return Launch(run, *driver, workload);
  }
}

absl::Status Workloads::Launch(OperationRun& run, driver::Driver& driver, v1::Workload& workload,
                               driver::TerminalSize terminal_size) {
  const std::string& uid = workload.uid();
  workload.mutable_status()->set_state(v1::STATE_STARTING);
  workload.mutable_status()->set_desired(v1::DESIRED_STATE_RUNNING);
  VX_RETURN_IF_ERROR(SetNetworks(workload));
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  {
    absl::MutexLock lock(&mutex_);
    sent_signals_.erase(uid);
  }
  auto launch = [&]() -> absl::Status {
    VX_FAULT_POINT("start.noted");
    VX_RETURN_IF_ERROR(networks_.CheckPorts(workload));
    VX_RETURN_IF_ERROR(run.Phase("create"));
    // Of a run that ended and could not be removed then.
    VX_RETURN_IF_ERROR(driver.Delete(uid));
    VX_RETURN_IF_ERROR(MakeRun(driver, workload));
    VX_FAULT_POINT("start.created");
    SetTerminalSize(driver, workload, terminal_size);
    VX_RETURN_IF_ERROR(run.Phase("start"));
    VX_RETURN_IF_ERROR(driver.Start(uid, run.cancellation()));
    run.SetStages(driver.Stages(uid));
    VX_FAULT_POINT("start.started");
    return absl::OkStatus();
  };
  absl::Status launched = launch();
  if (!launched.ok()) return LaunchFailed(run, driver, workload, launched);
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(uid));
  SetRunning(workload, seen);
  run.AtEnd([workload](store::Transaction& tx) {
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload);
  });
  // A command that is over already: its end is taken in right after this turn,
  // whether the driver told of it or not.
  if (seen.presence == driver::Presence::kExited) OnObservation(seen);
  return absl::OkStatus();
}

absl::Status Workloads::MakeRun(driver::Driver& driver, const v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(auto sources, volumes_.Resolve(workload));
  VX_ASSIGN_OR_RETURN(driver::Endpoint endpoint, driver.Create(workload, sources));
  VX_RETURN_IF_ERROR(networks_.Attach(workload, endpoint));
  return workload.spec().ports_size() > 0 ? StartProxy(workload) : absl::OkStatus();
}

absl::Status Workloads::SetNetworks(v1::Workload& workload) {
  v1::WorkloadStatus* status = workload.mutable_status();
  status->clear_networks();
  VX_ASSIGN_OR_RETURN(std::vector<v1::NetworkAttachment> attachments,
                      networks_.AttachmentsOf(workload));
  for (v1::NetworkAttachment& attachment : attachments) {
    *status->add_networks() = std::move(attachment);
  }
  ListAddresses(status);
  return absl::OkStatus();
}

// The links go with the run.
absl::Status Workloads::DeleteRun(driver::Driver& driver, const v1::Workload& workload) {
  absl::Status deleted = driver.Delete(workload.uid());
  absl::Status detached = networks_.Detach(workload);
  if (!detached.ok()) spdlog::error("workload={}: {}", workload.name(), detached.ToString());
  return deleted;
}

absl::Status Workloads::LaunchFailed(OperationRun& run, driver::Driver& driver,
                                     v1::Workload& workload, const absl::Status& why) {
  run.UndoPhase("undo");
  v1::WorkloadStatus* status = workload.mutable_status();
  auto seen = driver.Observe(workload.uid());
  if (seen.ok() && seen->exit) *status->mutable_exit() = *seen->exit;
  absl::Status undone = DeleteRun(driver, workload);
  status->clear_networks();
  status->clear_addresses();
  status->set_state(undone.ok() ? v1::STATE_STOPPED : v1::STATE_FAILED);
  status->set_desired(v1::DESIRED_STATE_STOPPED);
  status->set_message(std::string(undone.ok() ? why.message() : undone.message()));
  status->set_pid(0);
  status->set_shim_pid(0);
  if (workload.spec().remove_on_exit() && undone.ok()) {
    // The last state is told before the workload goes: a follower of its log
    // learns the exit code.
    VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
    absl::Status removed = RemoveEnded(driver, workload);
    if (!removed.ok()) spdlog::error("workload={}: {}", workload.name(), removed.ToString());
    return why;
  }
  run.AtEnd([workload](store::Transaction& tx) {
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload);
  });
  return why;
}

absl::Status Workloads::EndRun(OperationRun& run, driver::Driver& driver, v1::Workload& workload,
                               absl::Duration grace) {
  v1::WorkloadStatus* status = workload.mutable_status();
  const v1::WorkloadStatus before = *status;
  status->set_state(v1::STATE_STOPPING);
  status->set_desired(v1::DESIRED_STATE_STOPPED);
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  auto end = [&]() -> absl::Status {
    VX_FAULT_POINT("stop.noted");
    VX_RETURN_IF_ERROR(driver.Stop(workload.uid(), grace, run.cancellation()));
    VX_FAULT_POINT("stop.ended");
    VX_ASSIGN_OR_RETURN(driver::Observation seen, driver.Observe(workload.uid()));
    VX_RETURN_IF_ERROR(CloseRun(driver, workload, seen, /*by_user=*/true));
    VX_FAULT_POINT_NO_FAIL("stop.closed");
    return absl::OkStatus();
  };
  {
    absl::MutexLock lock(&mutex_);
    sent_signals_[workload.uid()] = ~uint64_t{0};
  }
  const absl::Status stopped = end();
  if (stopped.ok()) return stopped;
  // It could not be ended, or not wholly: it is what it was, until it is looked at.
  *status = before;
  if (!absl::IsCancelled(stopped)) {
    status->set_message(absl::StrCat("stop failed: ", std::string(stopped.message())));
  }
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  OnObservation({.uid = workload.uid()});
  return stopped;
}

absl::Status Workloads::DoStop(OperationRun& run, const std::string& uid,
                               std::optional<absl::Duration> grace) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  if (!IsActive(workload)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(run.Phase("stop"));
  VX_RETURN_IF_ERROR(EndRun(run, *driver, workload, GraceOf(workload, grace)));
  return workload.spec().remove_on_exit() ? RemoveEnded(*driver, workload) : absl::OkStatus();
}

absl::Status Workloads::DoRestart(OperationRun& run, const std::string& uid,
                                  std::optional<absl::Duration> grace) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kRun, workload));
  if (IsActive(workload)) {
    VX_RETURN_IF_ERROR(run.Phase("stop"));
    VX_RETURN_IF_ERROR(EndRun(run, *driver, workload, GraceOf(workload, grace)));
  }
  return Launch(run, *driver, workload);
}

absl::Status Workloads::DoKill(OperationRun& run, const std::string& uid, int signal) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  if (!IsActive(workload)) {
    // A start that this superseded has ended it.
    if (signal == SIGKILL) return absl::OkStatus();
    return NotRunning(workload);
  }
  VX_RETURN_IF_ERROR(run.Phase("kill"));
  {
    absl::MutexLock lock(&mutex_);
    sent_signals_[uid] |= SignalBit(signal);
  }
  VX_RETURN_IF_ERROR(driver->Kill(uid, signal));
  // What SIGKILL ended is shown as ended when the operation is.
  return signal == SIGKILL ? Absorb(*driver, workload) : absl::OkStatus();
}

absl::Status Workloads::DoFreeze(OperationRun& run, const std::string& uid, bool freeze) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  VX_RETURN_IF_ERROR(run.Phase(freeze ? "pause" : "resume"));
  VX_RETURN_IF_ERROR(freeze ? driver->Pause(uid) : driver->Resume(uid));
  v1::WorkloadStatus* status = workload.mutable_status();
  status->set_state(freeze ? v1::STATE_PAUSED : v1::STATE_RUNNING);
  status->set_desired(freeze ? v1::DESIRED_STATE_PAUSED : v1::DESIRED_STATE_RUNNING);
  run.AtEnd([workload](store::Transaction& tx) {
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload);
  });
  return absl::OkStatus();
}

absl::Status Workloads::DoDelete(OperationRun& run, const std::string& uid, bool force) {
  v1::Workload workload;
  absl::StatusOr<driver::Driver*> entered = Enter(run, uid, Use::kLookAfter, workload);
  // Its making was undone, or it was removed at its exit.
  if (absl::IsNotFound(entered.status())) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, entered);
  if (IsActive(workload) && !force) {
    return Error(absl::StatusCode::kFailedPrecondition, "STILL_RUNNING",
                 absl::StrCat("\"", workload.name(), "\" is running"),
                 absl::StrCat("stop it first, or: vxctl rm -f ", workload.name()));
  }
  if (IsActive(workload)) {
    VX_RETURN_IF_ERROR(run.Phase("kill"));
    VX_RETURN_IF_ERROR(EndRun(run, *driver, workload, absl::ZeroDuration()));
  }
  VX_RETURN_IF_ERROR(run.Phase("remove"));
  return Remove(*driver, std::move(workload));
}

absl::Status Workloads::Remove(driver::Driver& driver, v1::Workload workload) {
  v1::WorkloadStatus* status = workload.mutable_status();
  status->set_state(v1::STATE_DELETING);
  status->set_desired(v1::DESIRED_STATE_DELETED);
  // From here on the next start finishes it.
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  auto remove = [&]() -> absl::Status {
    VX_FAULT_POINT("delete.noted");
    VX_RETURN_IF_ERROR(driver.Release(workload.uid()));
    VX_FAULT_POINT("delete.released");
    VX_RETURN_IF_ERROR(images_.Release(workload.uid()));
    VX_FAULT_POINT("delete.unleased");
    return absl::OkStatus();
  };
  if (absl::Status removed = remove(); !removed.ok()) {
    status->set_state(v1::STATE_FAILED);
    status->set_message(absl::StrCat("remove failed: ", std::string(removed.message())));
    VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
    return removed;
  }
  {
    absl::MutexLock lock(&mutex_);
    sent_signals_.erase(workload.uid());
    awaited_.erase(workload.uid());
  }
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kObservation));
  VX_RETURN_IF_ERROR(PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_DELETED, workload));
  return tx.Commit();
}

}  // namespace vx::core
