// What a group has used, in the API's words. A library of its own (vx_cgroup_usage), as
// vx-runtime has no use for protobuf.
#pragma once

#include "plugins/cgroup/stats.h"
#include "vx/v1/stats.pb.h"

namespace vx::cgroup {

v1::Usage ToUsage(const CgroupStats& stats);

}  // namespace vx::cgroup
