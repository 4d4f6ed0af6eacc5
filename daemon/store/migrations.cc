#include "daemon/store/migrations.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::store {
namespace {

absl::StatusOr<int64_t> UserVersion(Database& database) {
  VX_ASSIGN_OR_RETURN(Statement statement, database.Prepare("PRAGMA user_version"));
  VX_ASSIGN_OR_RETURN(bool row, statement.Step());
  return row ? statement.Int(0) : 0;
}

}  // namespace

absl::Status Migrate(Database& database, const std::string& path) {
  VX_ASSIGN_OR_RETURN(int64_t version, UserVersion(database));
  const int64_t known = static_cast<int64_t>(Migrations().size());
  if (version > known) {
    return Error(absl::StatusCode::kFailedPrecondition, "DATABASE_TOO_NEW",
                 absl::StrCat(path, " has schema ", version, ", this vxd knows up to ", known),
                 "install the vxd that made it, or use another state directory");
  }
  for (; version < known; ++version) {
    const Migration& migration = Migrations()[version];
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
