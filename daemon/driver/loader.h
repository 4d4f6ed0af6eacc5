// Loads driver modules.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"

namespace vx::driver {

// Loads `path` and makes its driver. The module stays loaded for the life of the
// process. NOT_FOUND (MODULE_MISSING), FAILED_PRECONDITION (MODULE_BROKEN: it
// can't be loaded, e.g. for a missing library; MODULE_MISMATCH: another build).
absl::StatusOr<std::unique_ptr<Driver>> LoadDriver(const std::string& path,
                                                   const Environment& environment);

}  // namespace vx::driver
