// Copies of the inventory, and the way back.
//
//   STATE/vx.db            the inventory
//   STATE/vx.db.restored   a copy that takes its place at the next start
//   STATE/backups/         inventories as they were before a migration or a restore;
//                          the newest kBackupsKept of each kind
//
// A copy is one SQLite file without a journal beside it. It holds what users asked for,
// environments included: mode 0600.
#pragma once

#include <cstdint>
#include <mutex>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/store/sqlite.h"

namespace vx::store {

inline constexpr int kBackupsKept = 10;

// What a copy says of itself.
struct BackupFacts {
  int64_t schema = 0;
  // Empty: it does not say.
  std::string instance_id;
  // The workloads in it.
  std::set<std::string> uids;
};

// Reads all of a copy. INVALID_ARGUMENT (BAD_BACKUP) for a file that is damaged or no
// inventory, FAILED_PRECONDITION (DATABASE_TOO_NEW) for one of a later vxd.
absl::StatusOr<BackupFacts> ReadBackup(const std::string& file);

// Copies `from` to `file`, durably and at once, as it is at one moment. Nobody else uses
// `from` meanwhile.
absl::Status WriteBackup(Database& from, const std::string& file);
// The same while others use `from` under `mutex`, which is let go again and again.
absl::Status WriteBackup(Database& from, const std::string& file, std::mutex& mutex);

// WriteBackup to backups/KIND-TIME.db beside the inventory `path`; drops old ones of
// that kind.
absl::Status KeepBackup(Database& from, const std::string& path, const std::string& kind);

// Has a copy of `file` take the place of the inventory `path` at the next TakeStaged.
absl::Status StageRestore(const std::string& file, const std::string& path);

// Puts what was staged into the place of `path`, which nobody has open; fine when
// nothing was. Removes copies that were begun. What was there is kept as backups/replaced-TIME.db,
// readable or not. Revisions go on above those of the old inventory, and none of its events is told
// again: a watcher has to begin anew.
absl::Status TakeStaged(const std::string& path);

// The newest file in backups/ beside `path`, or empty.
std::string NewestBackup(const std::string& path);

}  // namespace vx::store
