// The kernel's capabilities by their names.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace vx::container {

// Number of a capability ("CAP_CHOWN"); -1 when there is no such.
int CapabilityNumber(absl::string_view name);

// In the order of their numbers.
std::vector<std::string> CapabilityNames();

}  // namespace vx::container
