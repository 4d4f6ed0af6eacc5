#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/store.h"

namespace vx::store {
namespace {

absl::Status NotFound(const std::string& name) {
  return Error(absl::StatusCode::kNotFound, "VOLUME_NOT_FOUND",
               absl::StrCat("there is no volume \"", name, "\""),
               "vxctl volume ls shows what there is");
}

// Of a row that begins with stage and body.
absl::StatusOr<VolumeRecord> Parse(const Statement& row) {
  VolumeRecord record;
  record.stage = static_cast<VolumeStage>(row.Int(0));
  if (record.volume.ParseFromString(row.Bytes(1))) return record;
  return Error(absl::StatusCode::kDataLoss, "DATABASE_CORRUPT", "a volume's row is damaged");
}

}  // namespace

absl::StatusOr<VolumeRecord> View::FindVolume(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(
      Statement s, db().Prepare("SELECT stage, body FROM volumes WHERE name = ?1 OR uid = ?1"));
  VX_ASSIGN_OR_RETURN(bool found, s.Bind(1, name).Step());
  if (!found) return NotFound(name);
  return Parse(s);
}

absl::StatusOr<std::vector<VolumeRecord>> View::ListVolumes() const {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("SELECT stage, body FROM volumes ORDER BY name"));
  std::vector<VolumeRecord> records;
  while (true) {
    VX_ASSIGN_OR_RETURN(bool row, s.Step());
    if (!row) return records;
    VX_ASSIGN_OR_RETURN(VolumeRecord record, Parse(s));
    records.push_back(std::move(record));
  }
}

absl::StatusOr<std::map<std::string, std::vector<std::string>>> View::MountSources() const {
  std::map<std::string, std::vector<std::string>> users;
  auto note = [&users](const v1::Workload& workload) {
    for (const v1::Mount& mount : workload.spec().mounts()) {
      std::vector<std::string>& names = users[mount.source()];
      if (names.empty() || names.back() != workload.name()) names.push_back(workload.name());
    }
    return false;
  };
  VX_RETURN_IF_ERROR(ListWorkloads(0, 1, note).status());
  return users;
}

absl::Status Transaction::PutVolume(const VolumeRecord& record) {
  v1::Volume body = record.volume;
  body.clear_status();
  VX_ASSIGN_OR_RETURN(Statement s,
                      db().Prepare("INSERT INTO volumes (uid, name, stage, body) "
                                   "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (uid) DO UPDATE SET "
                                   "stage = excluded.stage, body = excluded.body"));
  return s.Bind(1, body.uid())
      .Bind(2, body.name())
      .Bind(3, static_cast<int64_t>(record.stage))
      .BindBlob(4, body.SerializeAsString())
      .Run();
}

absl::Status Transaction::DeleteVolume(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(Statement s, db().Prepare("DELETE FROM volumes WHERE uid = ?1"));
  return s.Bind(1, uid).Run();
}

}  // namespace vx::store
