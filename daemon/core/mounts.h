// What is wrong with a spec's mounts, on any kind; see validation.h.
#pragma once

#include <vector>

#include "daemon/base/error.h"
#include "vx/v1/workload.pb.h"

namespace vx::core {

// Appends violations. Whether what they name is there is not looked at.
void CheckMounts(const v1::WorkloadSpec& spec, std::vector<FieldViolation>& out);

}  // namespace vx::core
