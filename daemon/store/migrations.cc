#include "daemon/store/migrations.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/store/backup.h"

namespace vx::store {
namespace {

absl::StatusOr<int64_t> UserVersion(Database& database) {
  VX_ASSIGN_OR_RETURN(Statement statement, database.Prepare("PRAGMA user_version"));
  VX_ASSIGN_OR_RETURN(bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

}  // namespace

absl::Status CheckSchema(int64_t schema, const std::string& path) {
  const int64_t known = static_cast<int64_t>(Migrations().size());
  if (schema <= known) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "DATABASE_TOO_NEW",
               absl::StrCat(path, " has schema ", schema, ", this vxd knows up to ", known),
               "install the vxd that made it, or use another state directory");
}

absl::Status Migrate(Database& database, const std::string& path,
                     const std::vector<Migration>& migrations) {
  VX_ASSIGN_OR_RETURN(int64_t version, UserVersion(database));
  VX_RETURN_IF_ERROR(CheckSchema(version, path));
  const int64_t wanted = static_cast<int64_t>(migrations.size());
  if (version > 0 && version < wanted) {
    VX_RETURN_IF_ERROR(KeepBackup(database, path, absl::StrCat("schema-", version)));
  }
  for (; version < wanted; ++version) {
    const Migration& migration = migrations[version];
    absl::Status status = database.Execute(absl::StrCat(
        "BEGIN IMMEDIATE;", migration.sql, "; PRAGMA user_version = ", version + 1, "; COMMIT"));
    if (!status.ok()) {
      (void)database.Execute("ROLLBACK");
      return Annotate(status, absl::StrCat("migration ", migration.name, " of ", path));
    }
  }
  return absl::OkStatus();
}

}  // namespace vx::store
