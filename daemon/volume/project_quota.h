// Project quotas of ext4 and xfs: bounds on what is below a folder.
//
// Root of the host, and whoever has CAP_SYS_RESOURCE there, is not bound by them; root
// of a user namespace and virtiofsd are.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::volume {

// FAILED_PRECONDITION (NO_QUOTA) names the filesystem of `dir` and says how to get them,
// unless it keeps project quotas and enforces them.
absl::Status CheckProjectQuota(const std::string& dir);

// Gives the empty folder, and all that will be below it, a project of its own that may
// hold `bytes`. `seed` is where the search for a free project begins.
absl::Status SetProjectQuota(const std::string& dir, int64_t bytes, uint32_t seed);

// Lifts the bound of the folder's project, so that nothing of it is left when the folder
// goes. Fine when it has none.
absl::Status ClearProjectQuota(const std::string& dir);

// Bytes that the folder's project takes; -1: it has none.
int64_t ProjectBytes(const std::string& dir);

}  // namespace vx::volume
