// Brings a database to the schema of this build. The schema's number is SQLite's
// `user_version`: the count of migrations applied.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/store/sqlite.h"

namespace vx::store {

struct Migration {
  std::string name;  // "0001_initial"
  std::string sql;
};

// All of them, in order.
const std::vector<Migration>& Migrations();

// FAILED_PRECONDITION (DATABASE_TOO_NEW) for a schema of a later build.
absl::Status CheckSchema(int64_t schema, const std::string& path);

// Applies what is missing of `migrations`, each in a transaction of its own. What there
// is is kept as a backup before the first (backup.h: "schema-N"). Errors as of
// CheckSchema, at which it is left as it is.
absl::Status Migrate(Database& database, const std::string& path,
                     const std::vector<Migration>& migrations = Migrations());

}  // namespace vx::store
