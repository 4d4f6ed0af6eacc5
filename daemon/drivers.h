// Finds and loads the driver modules, and what is installed beside vxd.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "daemon/config.h"
#include "daemon/core/driver_set.h"

namespace vx {

// Loads every driver of drivers.enabled. One that can't be loaded is added as
// missing, with its reason: the others run.
absl::Status LoadDrivers(const Config& config, const std::string& instance_id,
                         core::DriverSet& drivers);

// Where the archives of the built-in images are.
std::string BuiltinImagesDir();

}  // namespace vx
