// Volumes: what changes them, as operations, and where workloads find them.
//
// A volume's row is there before anything on disk is, and goes after it. Who makes or
// removes a volume and is stopped in between leaves a row that says so: the next start,
// or the next workload that needs the volume, goes on from there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/core/operations.h"
#include "daemon/driver/driver.h"
#include "daemon/store/store.h"
#include "daemon/volume/backend.h"
#include "vx/v1/volume.pb.h"

namespace vx::core {

// Thread-safe.
class Volumes {
 public:
  // Both outlive it.
  Volumes(store::Store& store, Operations& operations) : store_(store), operations_(operations) {}

  // Before Core::Start. The first is the one for volumes that name none.
  void Add(std::unique_ptr<volume::Backend> backend) { backends_.push_back(std::move(backend)); }

  // An empty name is chosen. ALREADY_EXISTS (NAME_TAKEN), errors of Backend::Check.
  absl::StatusOr<v1::Operation> Create(const v1::Volume& wanted, const RequestKey& request);
  // FAILED_PRECONDITION (VOLUME_IN_USE) names the workloads.
  absl::StatusOr<v1::Operation> Delete(const std::string& name, const RequestKey& request);
  // Removes those that no workload has and `chosen` passes; each comes with who uses it.
  // Goes on after one that can't be removed, which is the operation's error.
  using Choice = std::function<bool(const v1::Volume&)>;
  absl::StatusOr<v1::Operation> Prune(Choice chosen, const RequestKey& request);

  // With its status; looks through its files where nobody counts them.
  absl::StatusOr<v1::Volume> Get(const std::string& name);
  // By name, each with its status; what nobody counts is not known.
  absl::StatusOr<std::vector<v1::Volume>> List();

  // Whether a workload can have the mounts that it asks for. FAILED_PRECONDITION
  // (NO_SOURCE) names a host path that is not there; (NOT_A_FOLDER) one that a VM can't
  // have; (BLOCK_NEEDS_VM).
  absl::Status CheckMounts(const v1::Workload& workload) const;
  // Puts volumes that the workload names and nobody has made on record, in the
  // transaction that does so with the workload. FAILED_PRECONDITION (VOLUME_REMOVING).
  absl::Status Claim(store::Transaction& tx, const v1::WorkloadSpec& spec) const;
  // Where its mounts come from, one for each; what is on record only is made. For a run:
  // FAILED_PRECONDITION (DISK_IN_USE) names another that has the disk.
  absl::StatusOr<std::vector<driver::MountSource>> Resolve(const v1::Workload& workload);

  // Finishes what a stop of the daemon interrupted. Once, before any change.
  void Reconcile();
  // How an interrupted operation of ours ended, after Reconcile.
  bool Finished(const v1::Operation& operation) const;

 private:
  absl::StatusOr<volume::Backend*> BackendOf(const v1::VolumeSpec& spec) const;
  // A new one, complete.
  store::VolumeRecord NewRecord(const v1::Volume& wanted) const;
  absl::Status DoCreate(OperationRun& run, const store::VolumeRecord& record);
  absl::Status DoDelete(OperationRun& run, const v1::Volume& volume);
  absl::Status DoPrune(OperationRun& run, const std::vector<v1::Volume>& volumes);
  // What it has on disk.
  absl::Status RemoveFiles(const v1::Volume& volume);
  // Makes what is on record and not made.
  absl::StatusOr<v1::Volume> Ensure(const std::string& name);
  absl::StatusOr<driver::MountSource> ResolveOne(const v1::Mount& mount, v1::Kind kind);
  absl::Status CheckDiskFree(const v1::Workload& workload, const v1::Mount& mount) const;
  bool NoneRemoving() const;
  absl::Status FinishOne(const store::VolumeRecord& record);
  // FAILED_PRECONDITION (VOLUME_REMOVING) when somebody removes it meanwhile.
  absl::Status MarkReady(const std::string& uid);
  void FillStatus(v1::Volume& volume, std::vector<std::string> users) const;

  store::Store& store_;
  Operations& operations_;
  std::vector<std::unique_ptr<volume::Backend>> backends_;
  // Held while one is made or removed: two workloads may need the same.
  absl::Mutex making_;
};

// Whether a mount's source is a path of the host rather than a volume's name.
inline bool IsHostPath(const v1::Mount& mount) {
  return !mount.source().empty() && mount.source()[0] == '/';
}

}  // namespace vx::core
