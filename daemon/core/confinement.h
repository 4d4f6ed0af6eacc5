// What of a spec that confines a workload makes no sense on any kind; see validation.h.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/error.h"
#include "vx/v1/workload.pb.h"

namespace vx::core {

// An absolute path inside, without "..", and not the root itself.
bool IsPlace(const std::string& path);
// What each kind mounts there by itself: nothing of a user's goes there.
bool IsTheKernels(const std::string& path);

// Appends violations of tmpfs, security and devices.
void CheckConfinement(const v1::WorkloadSpec& spec, std::vector<FieldViolation>& out);

// And of weight, cpuset, reservation and swap, each by itself.
void CheckShares(const v1::Resources& resources, std::vector<FieldViolation>& out);

// What of a workload's resources does not go together. An update gives some of them
// alone: this is for the whole.
void CheckTogether(const v1::Resources& resources, std::vector<FieldViolation>& out);

}  // namespace vx::core
