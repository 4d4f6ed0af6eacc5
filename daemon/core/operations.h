// Long-running changes: recorded before they start, one at a time per key, with
// phases, cancel and idempotency.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/base/cancellation.h"
#include "daemon/base/work_pool.h"
#include "daemon/driver/driver.h"
#include "daemon/store/store.h"

namespace vx::core {

// Who asked for a change, and under which idempotency key.
struct RequestKey {
  // Empty: every call is new.
  std::string request_id;
  // Hash of method and body.
  std::string fingerprint;
  // "uid:1000".
  std::string caller;
};

// One operation that runs; handed to its body. Used by one thread, but for
// Cancel.
class OperationRun {
 public:
  explicit OperationRun(v1::Operation operation) : operation_(std::move(operation)) {}

  const std::string& id() const { return operation_.id(); }

  // Begins a phase, ending the one before. CANCELLED when the user asked for it.
  absl::Status Phase(absl::string_view name);
  // What the phase that runs consisted of.
  void SetStages(const std::vector<driver::Stage>& stages);
  // What it brought about, in a sentence.
  void SetResult(std::string result);
  // Who asks is told what `tell` says, until the body has ended. Called by any thread.
  void ShowProgress(std::function<v1::OperationProgress()> tell);
  // For what takes long within a phase.
  Cancellation& cancellation() { return cancellation_; }
  // Begins a phase that has to be done whatever the user asks: undoing.
  void UndoPhase(absl::string_view name);

  // Whether it was cancelled by a later change of the same key, for which what was
  // done so far is to stay.
  bool superseded() const { return superseded_; }

  // Adds rows to the transaction that records the end of the operation.
  void AtEnd(std::function<absl::Status(store::Transaction&)> rows) { at_end_ = std::move(rows); }

  // --- For Operations. ---
  void Cancel() { cancellation_.Cancel(); }
  void Supersede() {
    superseded_ = true;
    cancellation_.Cancel();
  }
  v1::Operation Snapshot() const;
  void Begin();
  // The operation as it ended.
  v1::Operation End(const absl::Status& status);
  const std::function<absl::Status(store::Transaction&)>& at_end() const { return at_end_; }

 private:
  void EnterPhase(absl::string_view name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  v1::Operation operation_ ABSL_GUARDED_BY(mutex_);
  absl::Time phase_began_ ABSL_GUARDED_BY(mutex_);
  std::vector<driver::Stage> stages_ ABSL_GUARDED_BY(mutex_);
  std::function<v1::OperationProgress()> progress_ ABSL_GUARDED_BY(mutex_);
  Cancellation cancellation_;
  std::atomic<bool> superseded_{false};
  std::function<absl::Status(store::Transaction&)> at_end_;
};

// What is to be done.
struct Submission {
  v1::OperationType type = v1::OPERATION_TYPE_UNSPECIFIED;
  // Work of the same key runs in the order of submission, one at a time.
  std::string key;
  // Empty for an image's operation.
  std::string workload_uid;
  std::string target;
  // Of a stop or restart, where the user said so.
  std::optional<absl::Duration> grace;
  RequestKey request;
  // Where it runs; null: with the others. Always the same for a key.
  WorkPool* pool = nullptr;
  // Rows that belong to the promise; may refuse the submission.
  std::function<absl::Status(store::Transaction&)> record;
  // Runs on the pool. Has put everything right when it returns an error.
  std::function<absl::Status(OperationRun&)> body;
};

// Thread-safe.
class Operations {
 public:
  // Both outlive this.
  Operations(store::Store& store, WorkPool& pool) : store_(store), pool_(pool) {}

  // The operation that an earlier call with the same key made; nothing when the
  // key is empty or new. ALREADY_EXISTS (REQUEST_ID_REUSED) when it was used for
  // something else.
  absl::StatusOr<std::optional<v1::Operation>> Replay(const RequestKey& request);

  // Records the operation (commit = promise) and runs it when its turn comes.
  absl::StatusOr<v1::Operation> Submit(Submission submission);

  // Runs what is recorded, by this daemon or one before it, when its turn comes. Of the
  // submission, key and body count.
  void GoOn(const v1::Operation& operation, Submission submission);

  // Runs unrecorded work in the key's turn.
  void Enqueue(const std::string& key, std::function<void()> work, WorkPool* pool = nullptr);

  // With the phases of one that runs.
  absl::StatusOr<v1::Operation> Find(const std::string& id);
  // FAILED_PRECONDITION (OPERATION_ENDED).
  absl::StatusOr<v1::Operation> Cancel(const std::string& id);

  // Cancels a start of the workload that is under way, for the operation `by`, which
  // wants it to end; its making too, if `by` deletes it.
  void SupersedeStart(const std::string& workload_uid, const v1::Operation& by);

  // Adds to `operation` what is known while it runs.
  void Overlay(v1::Operation& operation) const;

  // Refuses what comes (UNAVAILABLE) and forgets what has not begun: it stays
  // recorded, and the next start deals with it.
  void Close();

 private:
  void Execute(const Submission& submission, OperationRun& run);
  // Records the end. While there is no room for it on the disk, tries again: until
  // then the key's turn goes on, and nobody is told.
  // That it was asked for.
  absl::Status Record(const Submission& submission, const v1::Operation& operation);
  void RecordEnd(const OperationRun& run, const v1::Operation& ended);
  bool WaitForRoom();
  void RunNext(const std::string& key, WorkPool* pool);

  store::Store& store_;
  WorkPool& pool_;
  mutable absl::Mutex mutex_;
  // A key is there as long as work of its runs or waits; the front runs.
  absl::flat_hash_map<std::string, std::deque<std::function<void()>>> queues_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::shared_ptr<OperationRun>> live_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

// Whether the operation has ended.
bool Ended(const v1::Operation& operation);

// The event that says how `operation` is now.
v1::Event OperationEvent(v1::EventType type, const v1::Operation& operation);

// An absl::Status as the wire has it, details and all, and back.
google::rpc::Status ToRpcStatus(const absl::Status& status);

}  // namespace vx::core
