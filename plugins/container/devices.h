// Devices of the host, for containers that may use them.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vx/v1/workload.pb.h"

namespace vx::container {

struct HostDevice {
  // Inside.
  std::string path;
  // 'c' or 'b'.
  char type = 'c';
  uint32_t major = 0;
  uint32_t minor = 0;
  // Of the host's node.
  mode_t mode = 0;
  uid_t uid = 0;
  gid_t gid = 0;
  // Of "rwm".
  std::string access;
};

// FAILED_PRECONDITION (NO_DEVICE) when the source is no device of the host.
absl::StatusOr<HostDevice> FindDevice(const v1::Device& wanted);

// All of /dev but terminals, shared memory and queues, of which a container has its own.
std::vector<HostDevice> AllDevices();

}  // namespace vx::container
