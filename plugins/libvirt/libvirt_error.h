// libvirt's errors, as ours.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace vx::libvirt {

// What libvirt complained of last on this thread, as an error of ours with
// `what` before it: LIBVIRT_UNAVAILABLE where it can't be reached, else LIBVIRT_FAILED.
absl::Status LibvirtError(const std::string& what);

}  // namespace vx::libvirt
