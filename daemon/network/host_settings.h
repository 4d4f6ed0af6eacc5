// Kernel settings (sysctl) that networks take, and no other.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace vx::network {

// Lets the host forward what workloads send out and what published ports let in. A packet is
// forwarded when the link that it came by may forward, and that is the host's link to the
// world too: so these are settings of the whole host (net.ipv4.ip_forward,
// net.ipv6.conf.all.forwarding), which Docker and libvirt make as well, and which stay.
//
// A host that forwards IPv6 would no longer listen to its router (accept_ra 1): links that did
// so go on doing so (accept_ra 2). Nothing is written that is so already; nor where IPv6 is
// off.
absl::Status EnableForwarding(bool ipv6);

// Lets what comes from 127.0.0.1 leave by this bridge, for ports published there
// (route_localnet). To be called once the firewall was applied with the bridge: it drops what
// workloads send to 127.0.0.0/8, which would reach the host's own listeners otherwise.
absl::Status AllowLoopbackPublishing(const std::string& bridge);

}  // namespace vx::network
