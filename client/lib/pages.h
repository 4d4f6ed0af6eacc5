// Lists that come in pages, as a whole.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/lib/connection.h"

namespace vx::client {

absl::StatusOr<std::vector<v1::Workload>> ListAllWorkloads(Connection& connection,
                                                           const std::vector<std::string>& filters);

// Of one workload, or of all with `workload` empty; at most `limit`, newest first.
absl::StatusOr<std::vector<v1::Operation>> ListOperations(Connection& connection,
                                                          const std::string& workload, int limit);

absl::StatusOr<std::vector<v1::Image>> ListAllImages(Connection& connection);

absl::StatusOr<std::vector<v1::Network>> ListAllNetworks(Connection& connection);
absl::StatusOr<std::vector<v1::Volume>> ListAllVolumes(Connection& connection,
                                                       const std::vector<std::string>& filters);

}  // namespace vx::client
