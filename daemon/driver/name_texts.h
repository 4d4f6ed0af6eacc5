// The texts by which what is inside finds names, the same for both kinds.
#pragma once

#include <string>

#include "vx/v1/workload.pb.h"

namespace vx::driver {

// Of /etc/resolv.conf: the name servers of its networks, each once, in order.
std::string ResolverText(const v1::WorkloadStatus& status);

// Of /etc/hosts: the loopback's names, and `hostname` at each of its addresses.
std::string HostsText(const v1::WorkloadStatus& status, const std::string& hostname);

}  // namespace vx::driver
