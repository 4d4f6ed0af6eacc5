#include "daemon/core/operations.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"

namespace vx::core {
namespace {

constexpr size_t kMaxRequestId = 128;
constexpr absl::Duration kRoomPause = absl::Milliseconds(500);
// To record on a full disk what makes room on it.
constexpr int kAttempts = 4;

v1::Operation NewOperation(const Submission& submission) {
  v1::Operation operation;
  operation.set_id(RandomHex(32));
  operation.set_type(submission.type);
  operation.set_state(v1::OPERATION_STATE_PENDING);
  operation.set_workload_uid(submission.workload_uid);
  operation.set_target(submission.target);
  operation.set_request_id(submission.request.request_id);
  operation.set_caller(submission.request.caller);
  if (submission.grace) *operation.mutable_grace() = ToProto(*submission.grace);
  *operation.mutable_create_time() = ToProto(absl::Now());
  return operation;
}

bool MakesRoom(v1::OperationType type) {
  switch (type) {
    case v1::OPERATION_TYPE_STOP:
    case v1::OPERATION_TYPE_KILL:
    case v1::OPERATION_TYPE_DELETE:
    case v1::OPERATION_TYPE_IMAGE_DELETE:
    case v1::OPERATION_TYPE_VOLUME_DELETE:
    case v1::OPERATION_TYPE_VOLUME_PRUNE:
    case v1::OPERATION_TYPE_IMAGE_PRUNE:
      return true;
    default:
      return false;
  }
}

}  // namespace

bool Ended(const v1::Operation& operation) {
  return operation.state() != v1::OPERATION_STATE_PENDING &&
         operation.state() != v1::OPERATION_STATE_RUNNING;
}

v1::Event OperationEvent(v1::EventType type, const v1::Operation& operation) {
  v1::Event event;
  event.set_type(type);
  *event.mutable_time() = ToProto(absl::Now());
  *event.mutable_operation() = operation;
  return event;
}

// --- OperationRun ---

void OperationRun::EnterPhase(absl::string_view name) {
  const absl::Time now = absl::Now();
  if (!operation_.phase().empty()) {
    v1::OperationPhase* done = operation_.add_phases();
    done->set_name(operation_.phase());
    done->set_micros(absl::ToInt64Microseconds(now - phase_began_));
    for (const driver::Stage& stage : stages_) {
      v1::OperationPhase* part = done->add_stages();
      part->set_name(stage.name);
      part->set_micros(absl::ToInt64Microseconds(stage.took));
    }
  }
  stages_.clear();
  operation_.set_phase(std::string(name));
  phase_began_ = now;
}

absl::Status OperationRun::Phase(absl::string_view name) {
  VX_RETURN_IF_ERROR(cancellation_.Check());
  absl::MutexLock lock(&mutex_);
  EnterPhase(name);
  return absl::OkStatus();
}

void OperationRun::SetStages(const std::vector<driver::Stage>& stages) {
  absl::MutexLock lock(&mutex_);
  stages_ = stages;
}

void OperationRun::ShowProgress(std::function<v1::OperationProgress()> tell) {
  absl::MutexLock lock(&mutex_);
  progress_ = std::move(tell);
}

void OperationRun::SetResult(std::string result) {
  absl::MutexLock lock(&mutex_);
  operation_.set_result(std::move(result));
}

void OperationRun::UndoPhase(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  EnterPhase(name);
}

v1::Operation OperationRun::Snapshot() const {
  absl::MutexLock lock(&mutex_);
  v1::Operation operation = operation_;
  if (progress_) *operation.mutable_progress() = progress_();
  return operation;
}

void OperationRun::Begin() {
  absl::MutexLock lock(&mutex_);
  operation_.set_state(v1::OPERATION_STATE_RUNNING);
  *operation_.mutable_start_time() = ToProto(absl::Now());
}

v1::Operation OperationRun::End(const absl::Status& status) {
  absl::MutexLock lock(&mutex_);
  EnterPhase("");
  progress_ = nullptr;
  *operation_.mutable_end_time() = ToProto(absl::Now());
  if (status.ok()) {
    operation_.set_state(v1::OPERATION_STATE_DONE);
  } else {
    operation_.set_state(absl::IsCancelled(status) ? v1::OPERATION_STATE_CANCELLED
                                                   : v1::OPERATION_STATE_FAILED);
    *operation_.mutable_error() = ToRpcStatus(status);
  }
  return operation_;
}

// --- Operations ---

absl::StatusOr<std::optional<v1::Operation>> Operations::Replay(const RequestKey& request) {
  if (request.request_id.empty()) return std::nullopt;
  if (request.request_id.size() > kMaxRequestId) {
    return InvalidFields(
        {{"request_id", absl::StrCat("is longer than ", kMaxRequestId, " characters")}});
  }
  store::View view = store_.Read();
  VX_ASSIGN_OR_RETURN(std::optional<store::RequestRecord> record,
                      view.FindRequest(request.request_id));
  if (!record) return std::nullopt;
  if (record->fingerprint != request.fingerprint) {
    return Error(absl::StatusCode::kAlreadyExists, "REQUEST_ID_REUSED",
                 absl::StrCat("request id ", request.request_id, " was used for another request"),
                 "use a new id for a new request");
  }
  VX_ASSIGN_OR_RETURN(v1::Operation operation, view.FindOperation(record->operation_id));
  Overlay(operation);
  return operation;
}

absl::StatusOr<v1::Operation> Operations::Submit(Submission submission) {
  if (!MakesRoom(submission.type)) VX_RETURN_IF_ERROR(store_.CheckRoom());
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return Error(absl::StatusCode::kUnavailable, "STOPPING", "vxd is stopping");
  }
  v1::Operation operation = NewOperation(submission);
  absl::Status recorded = Record(submission, operation);
  // Each time with a piece more of the store's ballast.
  for (int i = 1; i < kAttempts && MakesRoom(submission.type); ++i) {
    if (!absl::IsResourceExhausted(recorded)) break;
    recorded = Record(submission, operation);
  }
  VX_RETURN_IF_ERROR(recorded);
  VX_FAULT_POINT_NO_FAIL("any.recorded");
  GoOn(operation, std::move(submission));
  return operation;
}

absl::Status Operations::Record(const Submission& submission, const v1::Operation& operation) {
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
  VX_RETURN_IF_ERROR(tx.PutOperation(operation));
  const RequestKey& request = submission.request;
  if (!request.request_id.empty()) {
    absl::Status fresh = tx.PutRequest(request.request_id, {request.fingerprint, operation.id()});
    // A twin of this call won the race since Replay: let it be asked again.
    if (absl::IsAlreadyExists(fresh)) {
      return Error(absl::StatusCode::kAborted, "REQUEST_IN_PROGRESS",
                   "the same request is being recorded by another call", "try again");
    }
    VX_RETURN_IF_ERROR(fresh);
  }
  if (submission.record) VX_RETURN_IF_ERROR(submission.record(tx));
  VX_RETURN_IF_ERROR(tx.AppendEvent(OperationEvent(v1::EVENT_TYPE_OPERATION_CREATED, operation)));
  return tx.Commit();
}

void Operations::GoOn(const v1::Operation& operation, Submission submission) {
  auto run = std::make_shared<OperationRun>(operation);
  {
    absl::MutexLock lock(&mutex_);
    live_[operation.id()] = run;
  }
  std::string key = submission.key;
  WorkPool* pool = submission.pool;
  Enqueue(
      key, [this, run, submission = std::move(submission)] { Execute(submission, *run); }, pool);
}

void Operations::Execute(const Submission& submission, OperationRun& run) {
  run.Begin();
  const absl::Status status = submission.body(run);
  const v1::Operation ended = run.End(status);
  if (!status.ok()) {
    spdlog::warn("operation={} type={} target={} failed: {}", ended.id(),
                 v1::OperationType_Name(ended.type()), ended.target(), status.ToString());
  }
  VX_FAULT_POINT_NO_FAIL("any.ending");
  RecordEnd(run, ended);
  VX_FAULT_POINT_NO_FAIL("any.ended");
  absl::MutexLock lock(&mutex_);
  live_.erase(ended.id());
}

void Operations::RecordEnd(const OperationRun& run, const v1::Operation& ended) {
  auto record = [&]() -> absl::Status {
    VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
    if (run.at_end()) VX_RETURN_IF_ERROR(run.at_end()(tx));
    VX_RETURN_IF_ERROR(tx.PutOperation(ended));
    VX_RETURN_IF_ERROR(tx.AppendEvent(OperationEvent(v1::EVENT_TYPE_OPERATION_CHANGED, ended)));
    return tx.Commit();
  };
  absl::Status recorded = record();
  bool told = false;
  while (absl::IsResourceExhausted(recorded) && WaitForRoom()) {
    if (!std::exchange(told, true)) {
      spdlog::warn("operation={} target={}: its end waits for room on the disk", ended.id(),
                   ended.target());
    }
    recorded = record();
  }
  if (!recorded.ok()) {
    spdlog::error("operation={} target={}: its end can't be recorded: {}", ended.id(),
                  ended.target(), recorded.ToString());
  }
}

bool Operations::WaitForRoom() {
  absl::MutexLock lock(&mutex_);
  return !mutex_.AwaitWithTimeout(absl::Condition(&closed_), kRoomPause);
}

void Operations::Enqueue(const std::string& key, std::function<void()> work, WorkPool* pool) {
  if (pool == nullptr) pool = &pool_;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return;
    auto [it, first] = queues_.try_emplace(key);
    it->second.push_back(std::move(work));
    if (!first) return;
  }
  pool->Run([this, key, pool] { RunNext(key, pool); });
}

void Operations::RunNext(const std::string& key, WorkPool* pool) {
  std::function<void()> work;
  {
    absl::MutexLock lock(&mutex_);
    auto& queue = queues_[key];
    if (closed_ || queue.empty()) {
      queues_.erase(key);
      return;
    }
    work = std::move(queue.front());
  }
  work();
  work = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    auto it = queues_.find(key);
    it->second.pop_front();
    if (it->second.empty()) {
      queues_.erase(it);
      return;
    }
  }
  // Another key's work comes in between: no key starves the others.
  pool->Run([this, key, pool] { RunNext(key, pool); });
}

absl::StatusOr<v1::Operation> Operations::Find(const std::string& id) {
  store::View view = store_.Read();
  VX_ASSIGN_OR_RETURN(v1::Operation operation, view.FindOperation(id));
  Overlay(operation);
  return operation;
}

void Operations::Overlay(v1::Operation& operation) const {
  if (Ended(operation)) return;
  absl::MutexLock lock(&mutex_);
  auto it = live_.find(operation.id());
  // An operation whose end is about to be recorded has not ended for anyone else.
  if (it == live_.end()) return;
  v1::Operation live = it->second->Snapshot();
  if (!Ended(live)) operation = std::move(live);
}

absl::StatusOr<v1::Operation> Operations::Cancel(const std::string& id) {
  VX_ASSIGN_OR_RETURN(v1::Operation operation, Find(id));
  std::shared_ptr<OperationRun> run;
  {
    absl::MutexLock lock(&mutex_);
    auto it = live_.find(operation.id());
    if (it != live_.end()) run = it->second;
  }
  if (Ended(operation) || !run) {
    return Error(absl::StatusCode::kFailedPrecondition, "OPERATION_ENDED",
                 absl::StrCat("operation ", operation.id(), " has ended already"));
  }
  run->Cancel();
  return operation;
}

void Operations::SupersedeStart(const std::string& workload_uid, const v1::Operation& by) {
  auto starts = [&](const v1::Operation& operation) {
    if (operation.workload_uid() != workload_uid || operation.id() == by.id()) return false;
    const bool launches = operation.phase() == "create" || operation.phase() == "start";
    const bool makes = operation.type() == v1::OPERATION_TYPE_CREATE;
    return launches || (makes && by.type() == v1::OPERATION_TYPE_DELETE);
  };
  std::vector<std::shared_ptr<OperationRun>> runs;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [id, run] : live_) runs.push_back(run);
  }
  for (const std::shared_ptr<OperationRun>& run : runs) {
    if (starts(run->Snapshot())) run->Supersede();
  }
}

void Operations::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace vx::core
