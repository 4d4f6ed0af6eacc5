// Workloads as rows.
#pragma once

#include <vector>

#include "absl/time/time.h"
#include "client/cli/render/listing.h"
#include "vx/v1/workload.pb.h"

namespace vx::cli {

// NAME KIND STATE IMAGE CPUS MEMORY AGE, and wide: UID PID RESTARTS EXIT ADDRESSES
// COMMAND. `now` is what ages are counted from.
Listing ListWorkloads(const std::vector<v1::Workload>& workloads, absl::Time now);

// "running 3m", "stopped (7)", "stopped (oom)".
Cell StateCell(const v1::Workload& workload, absl::Time now);

}  // namespace vx::cli
