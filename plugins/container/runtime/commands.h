// The OCI runtime's commands but create, which has a file of its own.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::container {

// FAILED_PRECONDITION (NOT_CREATED) unless init waits to be started.
absl::Status Start(const std::string& root, const std::string& id);

// OCI's state, as JSON.
absl::StatusOr<std::string> State(const std::string& root, const std::string& id);

// `signal` by name or number. FAILED_PRECONDITION (NOT_RUNNING).
absl::Status Kill(const std::string& root, const std::string& id, const std::string& signal);

// FAILED_PRECONDITION (STILL_RUNNING) unless `force`; then also fine when there is
// no such container.
absl::Status Delete(const std::string& root, const std::string& id, bool force);

// OCI's features, as JSON.
std::string Features();

}  // namespace vx::container
