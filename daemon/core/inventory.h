// The inventory as a whole: copies of it, and the way back (store/backup.h).
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/store/store.h"

namespace vx::core {

// Thread-safe.
class Inventory {
 public:
  // `store` outlives it.
  explicit Inventory(store::Store& store) : store_(store) {}

  // Gives a copy, as it is at one moment, to `sink`, piece by piece. It is made as a
  // file in `spool_dir` first, which is removed.
  absl::Status Backup(const std::string& spool_dir,
                      const std::function<absl::Status(absl::string_view)>& sink);

  // Checks the copy and has it take the inventory's place at the next start of the
  // daemon. Returns how many workloads are in it. Errors as of
  // SystemService.RestoreInventory.
  absl::StatusOr<int> StageRestore(const std::string& file, bool force);

 private:
  absl::Status CheckSameHost(const std::string& instance_id);
  absl::Status CheckKnowsAll(const std::set<std::string>& uids);

  store::Store& store_;
};

}  // namespace vx::core
