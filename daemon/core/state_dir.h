// The state directory: who has it, its inventory, and its identity.
//
//   STATE/lock         locked by the vxd that has it
//   STATE/vx.db        the inventory (store/store.h), and what is beside it
//   STATE/instance-id  8 hex digits, made at first use; part of every host-global name
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/store/store.h"

namespace vx::core {

// Where the inventory says whose it is: Transaction::SetMeta.
inline constexpr char kInstanceKey[] = "instance";

// Makes `state_dir` (0700) where it is missing, and locks it for as long as the
// descriptor lives and this process does; a process does so once. FAILED_PRECONDITION
// (STATE_DIR_IN_USE), with its pid, when another vxd has it.
absl::StatusOr<UniqueFd> LockStateDir(const std::string& state_dir);

// Opens the inventory of a locked directory; a restored one first takes its place.
// DATA_LOSS (DATABASE_MISSING) when the directory was in use and its inventory is
// gone; errors as of Store::Open.
absl::StatusOr<std::unique_ptr<store::Store>> OpenInventory(const std::string& state_dir);

// Puts a copy (store/backup.h) into the place of the inventory of a locked directory,
// whether that can be read or not; it is kept. Errors as of ReadBackup.
absl::Status RestoreInventory(const std::string& state_dir, const std::string& file);

// The identity, made where there is none, and noted in the inventory too.
absl::StatusOr<std::string> InstanceId(const std::string& state_dir, store::Store& store);

}  // namespace vx::core
