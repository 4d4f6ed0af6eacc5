// What workloads use, as rows.
#pragma once

#include "client/cli/render/listing.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::cli {

// NAME KIND CPU% MEM LIMIT MEM% PIDS READ WRITTEN, and wide: UID CPU-TIME PIDS-LIMIT
// CPU-WAIT MEM-WAIT IO-WAIT GUEST-MEM. 100% is one processor; the waits are the part of
// the last 10 seconds in which some of its processes waited. What is not known is "-".
Listing ListStats(const v1::StreamStatsResponse& round);

}  // namespace vx::cli
