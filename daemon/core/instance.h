// The identity of a state directory.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::core {

// The state directory, locked for as long as this lives and its process does: a
// second process that opens the same one is refused. A process opens it once.
struct Instance {
  // 8 hex digits, made at first use; part of every host-global name.
  std::string id;
  UniqueFd lock;
};

// Makes `state_dir` (0700) where it is missing. FAILED_PRECONDITION
// (STATE_DIR_IN_USE), with its pid, when another vxd has it.
absl::StatusOr<Instance> OpenInstance(const std::string& state_dir);

}  // namespace vx::core
