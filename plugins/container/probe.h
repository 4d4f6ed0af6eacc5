// Whether this host can run containers, and what to do where it can't.
#pragma once

#include <string>
#include <vector>

#include "vx/v1/system_service.pb.h"

namespace vx::container {

inline constexpr char kDriverName[] = "container";

// Checks "kernel", "cgroup", "userns", "overlay" and "programs".
std::vector<v1::Check> CheckHost(const std::string& bin_dir);

// What those checks mean for the driver.
v1::DriverInfo ToDriverInfo(const std::vector<v1::Check>& checks);

// "6.1.0-13-amd64" against 6.1; false for what is no version.
bool IsKernelAtLeast(const std::string& release, int major, int minor);

}  // namespace vx::container
