// Brings a database to the schema of this build. The schema's number is SQLite's
// `user_version`: the count of migrations applied.
#pragma once

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

// Applies what is missing, each in a transaction of its own. FAILED_PRECONDITION
// (DATABASE_TOO_NEW) for a database of a later build, which is left as it is.
absl::Status Migrate(Database& database, const std::string& path);

}  // namespace vx::store
