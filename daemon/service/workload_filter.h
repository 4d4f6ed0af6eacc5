// Which workloads a caller wants.
#pragma once

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "google/protobuf/repeated_field.h"
#include "vx/v1/workload.pb.h"

namespace vx::service {

using WorkloadFilter = std::function<bool(const v1::Workload&)>;

// Of texts as in ListWorkloadsRequest, all of which must hold; INVALID_ARGUMENT names the
// first that is wrong.
absl::StatusOr<WorkloadFilter> ParseFilters(
    const google::protobuf::RepeatedPtrField<std::string>& texts);

// "running" of STATE_RUNNING.
std::string StateWord(v1::State state);

}  // namespace vx::service
