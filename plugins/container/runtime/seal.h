// Keeps the runtime's own program out of a container's reach.
//
// Init is this program until it execs the command, and root without a user namespace may
// write to what /proc/PID/exe is of: the host's vx-runtime, which the host's root runs
// next. So before such a container is made, the runtime runs itself again from a detached
// read-only mount of its file, which nobody can make writable. (With a user namespace the
// file belongs to nobody inside.)
#pragma once

#include <vector>

#include "absl/status/status.h"

namespace vx::container {

// Returns when it runs from a read-only mount; else starts the program anew, with the
// same arguments. `descriptors` stay open meanwhile.
absl::Status SealSelf(const std::vector<int>& descriptors);

}  // namespace vx::container
