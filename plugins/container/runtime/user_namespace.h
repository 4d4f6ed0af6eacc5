// User namespaces that no process lives in, for mapping the ids of mounts.
#pragma once

#include <sys/types.h>

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// Gives the user namespace of `pid`, which has none yet, its mappings.
absl::Status WriteMappings(pid_t pid, const std::vector<IdMapping>& uids,
                           const std::vector<IdMapping>& gids);

absl::StatusOr<UniqueFd> OpenUserNamespace(pid_t pid);

// A new one, alive for as long as somebody holds it.
absl::StatusOr<UniqueFd> MakeUserNamespace(const std::vector<IdMapping>& uids,
                                           const std::vector<IdMapping>& gids);

}  // namespace vx::container
