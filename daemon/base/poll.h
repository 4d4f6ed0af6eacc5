// Waiting for a descriptor.
#pragma once

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "daemon/base/cancellation.h"

namespace vx {

// Returns OK once `fd` is readable or its other end is gone, DEADLINE_EXCEEDED at
// `deadline`, or CANCELLED once `cancellation`, if there is one, is.
absl::Status WaitReadable(int fd, absl::Time deadline, Cancellation* cancellation = nullptr);

}  // namespace vx
