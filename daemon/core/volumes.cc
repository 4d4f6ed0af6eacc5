#include "daemon/core/volumes.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <cerrno>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/validation.h"
#include "daemon/core/workloads.h"
#include "daemon/volume/usage.h"

namespace vx::core {
namespace {

constexpr int kUidDigits = 32;
// Of files, looked at to say what one volume takes.
constexpr int kMostCounted = 50000;

using store::VolumeRecord;
using store::VolumeStage;

absl::Status NameTaken(const std::string& name) {
  return Error(absl::StatusCode::kAlreadyExists, "NAME_TAKEN",
               absl::StrCat("there is already a volume named \"", name, "\""),
               absl::StrCat("choose another name, or remove it: vxctl volume rm ", name));
}

absl::Status InUse(const std::string& name, const std::vector<std::string>& users) {
  return Error(absl::StatusCode::kFailedPrecondition, "VOLUME_IN_USE",
               absl::StrCat("volume \"", name, "\" is used by ", absl::StrJoin(users, ", ")),
               "remove these workloads first");
}

absl::Status Removing(const std::string& name) {
  return Error(absl::StatusCode::kFailedPrecondition, "VOLUME_REMOVING",
               absl::StrCat("volume \"", name, "\" is being removed"),
               absl::StrCat("try again once it is gone; if it stays: vxctl volume rm ", name));
}

std::vector<std::string> UsersOf(std::map<std::string, std::vector<std::string>>& sources,
                                 const std::string& name) {
  auto it = sources.find(name);
  return it == sources.end() ? std::vector<std::string>() : std::move(it->second);
}

absl::Status CheckHostPath(const v1::Mount& mount, v1::Kind kind) {
  struct stat st{};
  if (stat(mount.source().c_str(), &st) == 0) {
    if (kind != v1::KIND_VM || S_ISDIR(st.st_mode)) return absl::OkStatus();
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_A_FOLDER",
                 absl::StrCat("the host's ", mount.source(), ", to be mounted on ", mount.target(),
                              ", is no folder, and a VM can be given nothing else"),
                 "mount the folder that it is in, or use --kind=container");
  }
  return Error(absl::StatusCode::kFailedPrecondition, "NO_SOURCE",
               absl::StrCat("what is to be mounted on ", mount.target(), ", the host's ",
                            mount.source(), ", can't be used: ", strerror(errno)),
               "make it first; a name without a / is a volume, which is made by itself");
}

absl::Status CheckKind(const v1::Volume& volume, const v1::Mount& mount,
                       const v1::Workload& workload) {
  if (volume.spec().type() != v1::VOLUME_TYPE_BLOCK) return absl::OkStatus();
  if (!mount.subpath().empty()) {
    return InvalidFields({{"spec.mounts.subpath", absl::StrCat("volume \"", volume.name(),
                                                               "\" is a disk: mount all of it")}});
  }
  if (workload.kind() == v1::KIND_VM) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "BLOCK_NEEDS_VM",
               absl::StrCat("volume \"", volume.name(), "\" is a disk, which a container can't have"),
               "use --kind=vm, or a volume of type directory");
}

}  // namespace

absl::StatusOr<volume::Backend*> Volumes::BackendOf(const v1::VolumeSpec& spec) const {
  std::vector<std::string> names;
  for (const auto& backend : backends_) {
    if (spec.backend().empty() || backend->name() == spec.backend()) return backend.get();
    names.push_back(backend->name());
  }
  return InvalidFields({{"volume.spec.backend", absl::StrCat("there is no \"", spec.backend(),
                                                             "\": use ", absl::StrJoin(names, ", "))}});
}

VolumeRecord Volumes::NewRecord(const v1::Volume& wanted) const {
  VolumeRecord record;
  v1::Volume& volume = record.volume;
  volume.set_uid(RandomHex(kUidDigits));
  volume.set_name(wanted.name().empty() ? absl::StrCat("volume-", RandomHex(6)) : wanted.name());
  *volume.mutable_labels() = wanted.labels();
  v1::VolumeSpec& spec = *volume.mutable_spec();
  spec = wanted.spec();
  if (spec.type() == v1::VOLUME_TYPE_UNSPECIFIED) spec.set_type(v1::VOLUME_TYPE_DIRECTORY);
  if (spec.type() == v1::VOLUME_TYPE_BLOCK && spec.format().empty()) spec.set_format("raw");
  if (spec.backend().empty() && !backends_.empty()) spec.set_backend(backends_[0]->name());
  *volume.mutable_create_time() = ToProto(absl::Now());
  return record;
}

absl::StatusOr<v1::Operation> Volumes::Create(const v1::Volume& wanted, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  std::vector<FieldViolation> violations = ValidateVolume(wanted);
  if (!violations.empty()) return InvalidFields(violations);
  VX_ASSIGN_OR_RETURN(volume::Backend * backend, BackendOf(wanted.spec()));
  VX_RETURN_IF_ERROR(backend->Check(wanted.spec()));
  VolumeRecord record = NewRecord(wanted);
  Submission submission;
  submission.type = v1::OPERATION_TYPE_VOLUME_CREATE;
  submission.key = record.volume.uid();
  submission.target = record.volume.name();
  submission.request = request;
  submission.record = [record](store::Transaction& tx) -> absl::Status {
    absl::Status found = tx.FindVolume(record.volume.name()).status();
    if (found.ok()) return NameTaken(record.volume.name());
    if (!absl::IsNotFound(found)) return found;
    return tx.PutVolume(record);
  };
  submission.body = [this, record](OperationRun& run) { return DoCreate(run, record); };
  return operations_.Submit(std::move(submission));
}

absl::Status Volumes::DoCreate(OperationRun& run, const VolumeRecord& record) {
  auto make = [&]() -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("make"));
    return Ensure(record.volume.uid()).status();
  };
  absl::Status made = make();
  if (made.ok()) return made;
  run.UndoPhase("undo");
  // A workload that came meanwhile keeps what is on record, and tries by itself.
  VX_ASSIGN_OR_RETURN(auto sources, store_.Read().MountSources());
  if (sources.contains(record.volume.name())) return made;
  if (absl::Status undone = RemoveFiles(record.volume); !undone.ok()) {
    spdlog::error("volume={}: undo: {}", record.volume.name(), undone.ToString());
  }
  run.AtEnd([uid = record.volume.uid()](store::Transaction& tx) { return tx.DeleteVolume(uid); });
  return made;
}

absl::StatusOr<v1::Operation> Volumes::Delete(const std::string& name, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(VolumeRecord found, store_.Read().FindVolume(name));
  Submission submission;
  submission.type = v1::OPERATION_TYPE_VOLUME_DELETE;
  submission.key = found.volume.uid();
  submission.target = found.volume.name();
  submission.request = request;
  // From here on no workload can have it any more.
  submission.record = [uid = found.volume.uid()](store::Transaction& tx) -> absl::Status {
    VX_ASSIGN_OR_RETURN(VolumeRecord record, tx.FindVolume(uid));
    VX_ASSIGN_OR_RETURN(auto sources, tx.MountSources());
    const std::vector<std::string> users = UsersOf(sources, record.volume.name());
    if (!users.empty()) return InUse(record.volume.name(), users);
    record.stage = VolumeStage::kRemoving;
    return tx.PutVolume(record);
  };
  submission.body = [this, volume = found.volume](OperationRun& run) {
    return DoDelete(run, volume);
  };
  return operations_.Submit(std::move(submission));
}

// What fails stays on record as one that is being removed, and can be removed again.
absl::Status Volumes::DoDelete(OperationRun& run, const v1::Volume& volume) {
  run.UndoPhase("remove");
  VX_RETURN_IF_ERROR(RemoveFiles(volume));
  run.AtEnd([uid = volume.uid()](store::Transaction& tx) { return tx.DeleteVolume(uid); });
  return absl::OkStatus();
}

absl::Status Volumes::RemoveFiles(const v1::Volume& volume) {
  absl::MutexLock lock(&making_);
  VX_ASSIGN_OR_RETURN(volume::Backend * backend, BackendOf(volume.spec()));
  return backend->Remove(volume.uid());
}

absl::StatusOr<v1::Operation> Volumes::Prune(Choice chosen, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  auto condemned = std::make_shared<std::vector<v1::Volume>>();
  Submission submission;
  submission.type = v1::OPERATION_TYPE_VOLUME_PRUNE;
  submission.key = "volumes";
  submission.target = "volumes";
  submission.request = request;
  submission.record = [condemned, chosen](store::Transaction& tx) -> absl::Status {
    condemned->clear();
    VX_ASSIGN_OR_RETURN(auto sources, tx.MountSources());
    VX_ASSIGN_OR_RETURN(std::vector<VolumeRecord> records, tx.ListVolumes());
    for (VolumeRecord& record : records) {
      if (sources.contains(record.volume.name()) || !chosen(record.volume)) continue;
      record.stage = VolumeStage::kRemoving;
      VX_RETURN_IF_ERROR(tx.PutVolume(record));
      condemned->push_back(std::move(record.volume));
    }
    return absl::OkStatus();
  };
  submission.body = [this, condemned](OperationRun& run) { return DoPrune(run, *condemned); };
  return operations_.Submit(std::move(submission));
}

absl::Status Volumes::DoPrune(OperationRun& run, const std::vector<v1::Volume>& volumes) {
  run.UndoPhase("remove");
  absl::Status failure;
  std::vector<std::string> gone;
  for (const v1::Volume& volume : volumes) {
    absl::Status removed = RemoveFiles(volume);
    if (removed.ok()) gone.push_back(volume.uid());
    failure.Update(Annotate(removed, absl::StrCat("remove volume \"", volume.name(), "\"")));
  }
  run.SetResult(absl::StrCat("removed ", gone.size(), gone.size() == 1 ? " volume" : " volumes"));
  run.AtEnd([gone = std::move(gone)](store::Transaction& tx) {
    absl::Status status;
    for (const std::string& uid : gone) status.Update(tx.DeleteVolume(uid));
    return status;
  });
  return failure;
}

absl::StatusOr<v1::Volume> Volumes::Ensure(const std::string& name) {
  absl::MutexLock lock(&making_);
  VX_ASSIGN_OR_RETURN(VolumeRecord record, store_.Read().FindVolume(name));
  if (record.stage == VolumeStage::kRemoving) return Removing(record.volume.name());
  if (record.stage == VolumeStage::kReady) return record.volume;
  VX_ASSIGN_OR_RETURN(volume::Backend * backend, BackendOf(record.volume.spec()));
  VX_RETURN_IF_ERROR(backend->Make(record.volume.uid(), record.volume.spec()));
  VX_RETURN_IF_ERROR(MarkReady(record.volume.uid()));
  return record.volume;
}

absl::Status Volumes::MarkReady(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
  VX_ASSIGN_OR_RETURN(VolumeRecord record, tx.FindVolume(uid));
  if (record.stage == VolumeStage::kRemoving) return Removing(record.volume.name());
  record.stage = VolumeStage::kReady;
  VX_RETURN_IF_ERROR(tx.PutVolume(record));
  return tx.Commit();
}

void Volumes::FillStatus(v1::Volume& volume, std::vector<std::string> users) const {
  v1::VolumeStatus& status = *volume.mutable_status();
  for (std::string& user : users) status.add_used_by(std::move(user));
  status.set_used_bytes(-1);
  auto backend = BackendOf(volume.spec());
  if (!backend.ok()) return;
  status.set_path((*backend)->PathOf(volume.uid(), volume.spec().type()));
  status.set_used_bytes((*backend)->UsedBytes(volume.uid(), volume.spec().type()));
}

absl::StatusOr<v1::Volume> Volumes::Get(const std::string& name) {
  VolumeRecord record;
  std::map<std::string, std::vector<std::string>> sources;
  {
    store::View view = store_.Read();
    VX_ASSIGN_OR_RETURN(record, view.FindVolume(name));
    VX_ASSIGN_OR_RETURN(sources, view.MountSources());
  }
  FillStatus(record.volume, UsersOf(sources, record.volume.name()));
  v1::VolumeStatus& status = *record.volume.mutable_status();
  if (status.used_bytes() < 0 && record.volume.spec().type() == v1::VOLUME_TYPE_DIRECTORY) {
    status.set_used_bytes(volume::CountBytes(status.path(), kMostCounted));
  }
  return std::move(record.volume);
}

absl::StatusOr<std::vector<v1::Volume>> Volumes::List() {
  std::vector<VolumeRecord> records;
  std::map<std::string, std::vector<std::string>> sources;
  {
    store::View view = store_.Read();
    VX_ASSIGN_OR_RETURN(records, view.ListVolumes());
    VX_ASSIGN_OR_RETURN(sources, view.MountSources());
  }
  std::vector<v1::Volume> volumes;
  for (VolumeRecord& record : records) {
    FillStatus(record.volume, UsersOf(sources, record.volume.name()));
    volumes.push_back(std::move(record.volume));
  }
  return volumes;
}

absl::Status Volumes::CheckMounts(const v1::Workload& workload) const {
  for (const v1::Mount& mount : workload.spec().mounts()) {
    if (IsHostPath(mount)) {
      VX_RETURN_IF_ERROR(CheckHostPath(mount, workload.kind()));
      continue;
    }
    auto found = store_.Read().FindVolume(mount.source());
    if (found.ok()) VX_RETURN_IF_ERROR(CheckKind(found->volume, mount, workload));
  }
  return absl::OkStatus();
}

absl::Status Volumes::Claim(store::Transaction& tx, const v1::WorkloadSpec& spec) const {
  for (const v1::Mount& mount : spec.mounts()) {
    if (IsHostPath(mount)) continue;
    auto found = tx.FindVolume(mount.source());
    if (found.ok() && found->stage == VolumeStage::kRemoving) return Removing(mount.source());
    if (found.ok()) continue;
    if (!absl::IsNotFound(found.status())) return found.status();
    v1::Volume wanted;
    wanted.set_name(mount.source());
    VX_RETURN_IF_ERROR(tx.PutVolume(NewRecord(wanted)));
  }
  return absl::OkStatus();
}

absl::StatusOr<driver::MountSource> Volumes::ResolveOne(const v1::Mount& mount,
                                                        v1::Kind kind) {
  if (IsHostPath(mount)) {
    VX_RETURN_IF_ERROR(CheckHostPath(mount, kind));
    return driver::MountSource{.path = mount.source()};
  }
  VX_ASSIGN_OR_RETURN(v1::Volume volume, Ensure(mount.source()));
  VX_ASSIGN_OR_RETURN(volume::Backend * backend, BackendOf(volume.spec()));
  driver::MountSource source{.path = backend->PathOf(volume.uid(), volume.spec().type()),
                             .is_volume = true};
  if (volume.spec().type() == v1::VOLUME_TYPE_BLOCK) source.disk_format = volume.spec().format();
  if (PathExists(source.path)) return source;
  return Error(absl::StatusCode::kDataLoss, "VOLUME_LOST",
               absl::StrCat("volume \"", volume.name(), "\" is on record, but ", source.path,
                            " is gone"),
               absl::StrCat("bring it back from a copy, or remove the volume: vxctl volume rm ",
                            volume.name()));
}

// Two guests that write to one filesystem destroy it.
absl::Status Volumes::CheckDiskFree(const v1::Workload& workload, const v1::Mount& mount) const {
  std::string other;
  auto has_it = [&](const v1::Workload& w) {
    if (w.uid() == workload.uid() || !IsActive(w)) return false;
    for (const v1::Mount& theirs : w.spec().mounts()) {
      const bool harmless = theirs.read_only() && mount.read_only();
      if (theirs.source() == mount.source() && !harmless) other = w.name();
    }
    return false;
  };
  VX_RETURN_IF_ERROR(store_.Read().ListWorkloads(0, 1, has_it).status());
  if (other.empty()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "DISK_IN_USE",
               absl::StrCat("volume \"", mount.source(), "\" is a disk, and \"", other,
                            "\", which runs, has it"),
               "stop that first, or use a volume of type directory");
}

absl::StatusOr<std::vector<driver::MountSource>> Volumes::Resolve(const v1::Workload& workload) {
  std::vector<driver::MountSource> sources;
  for (const v1::Mount& mount : workload.spec().mounts()) {
    VX_ASSIGN_OR_RETURN(driver::MountSource source, ResolveOne(mount, workload.kind()));
    if (!source.disk_format.empty()) VX_RETURN_IF_ERROR(CheckDiskFree(workload, mount));
    sources.push_back(std::move(source));
  }
  return sources;
}

absl::Status Volumes::FinishOne(const VolumeRecord& record) {
  if (record.stage == VolumeStage::kReady) return absl::OkStatus();
  if (record.stage == VolumeStage::kMaking) return Ensure(record.volume.uid()).status();
  VX_RETURN_IF_ERROR(RemoveFiles(record.volume));
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
  VX_RETURN_IF_ERROR(tx.DeleteVolume(record.volume.uid()));
  return tx.Commit();
}

bool Volumes::NoneRemoving() const {
  auto records = store_.Read().ListVolumes();
  for (const VolumeRecord& record : records.ok() ? *records : std::vector<VolumeRecord>()) {
    if (record.stage == VolumeStage::kRemoving) return false;
  }
  return records.ok();
}

void Volumes::Reconcile() {
  auto records = store_.Read().ListVolumes();
  if (!records.ok()) spdlog::error("volumes: {}", records.status().ToString());
  for (const VolumeRecord& record : records.ok() ? *records : std::vector<VolumeRecord>()) {
    absl::Status finished = FinishOne(record);
    if (!finished.ok()) spdlog::error("volume={}: {}", record.volume.name(), finished.ToString());
  }
}

bool Volumes::Finished(const v1::Operation& operation) const {
  if (operation.type() == v1::OPERATION_TYPE_VOLUME_PRUNE) return NoneRemoving();
  auto found = store_.Read().FindVolume(operation.target());
  if (operation.type() == v1::OPERATION_TYPE_VOLUME_DELETE) return !found.ok();
  return found.ok() && found->stage == VolumeStage::kReady;
}

}  // namespace vx::core
