// Which devices a group may use: OCI's ordered list, and what it amounts to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace vx::cgroup {

// Rights to a device, to be joined; numbered as in the kernel.
constexpr unsigned kMknod = 1, kRead = 2, kWrite = 4, kAnyAccess = 7;

// One entry of linux.resources.devices.
struct DeviceRule {
  bool allow = false;
  // 'a' (all), 'b' or 'c'.
  char type = 'a';
  // -1: any.
  int64_t major = -1;
  int64_t minor = -1;
  // kMknod, kRead and kWrite.
  unsigned access = kAnyAccess;

  // "c 1:3 rwm", as v1's files want it.
  std::string Text() const;
  bool operator==(const DeviceRule&) const = default;
};

// A default and what is different from it: what v1's files can hold.
struct DeviceExceptions {
  bool allow_all = false;
  // Their `allow` is the opposite of allow_all. No two overlap but in wildcards.
  std::vector<DeviceRule> exceptions;
};

// Applies the rules in their order to "nothing is allowed". INVALID_ARGUMENT
// (DEVICE_RULES) for an exception to an exception that covers more (all of major 1,
// but not 1:3), which v1 can't hold.
absl::StatusOr<DeviceExceptions> ToExceptions(const std::vector<DeviceRule>& rules);

}  // namespace vx::cgroup
