// What is wrong with a spec, whatever the kind. Drivers add what their kind can't
// do.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "daemon/base/error.h"
#include "vx/v1/volume.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::core {

// All violations at once, with paths from the workload ("spec.resources.cpus").
// An empty name is fine.
std::vector<FieldViolation> ValidateWorkload(const v1::Workload& workload);

// The same of a volume ("volume.spec.size_bytes").
std::vector<FieldViolation> ValidateVolume(const v1::Volume& volume);

std::vector<FieldViolation> ValidateResources(const v1::Resources& resources);

// Whether it may be the name of a workload, a network or a volume.
bool IsName(absl::string_view name);

std::vector<FieldViolation> ValidateLabels(const std::map<std::string, std::string>& labels);

}  // namespace vx::core
