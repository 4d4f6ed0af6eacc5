// Published ports that the kernel can't forward, [::1]'s: by vx-proxy, a process for each
// workload, which lives as long as the workload does and whatever becomes of vxd.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "daemon/network/address.h"

namespace vx::network {

struct ProxiedPort {
  bool udp = false;
  // Of the host: one address, not all.
  Address host;
  int host_port = 0;
  // At most four, tried in this order; of UDP the first counts alone.
  std::vector<Address> targets;
  int guest_port = 0;
};

struct PortProxyConfig {
  // Absolute path of vx-proxy.
  std::string program;
  // Whose it is, unique on the host: "vx-INSTANCE-UID". Names it in its command line.
  std::string name;
  std::vector<ProxiedPort> ports;
  // A pidfd: it ends with that process. Borrowed.
  int life = -1;
  // Where not empty, it is put into the cgroup of this cgroup.procs.
  std::string cgroup_procs;
};

// Starts it in the place of one of that name; without ports it only ends that. Returns when
// it listens. UNAVAILABLE (PORT_UNAVAILABLE) names the port that can't be had; the old one
// is gone then, too.
absl::Status StartPortProxy(const PortProxyConfig& config);

// Fine when there is none.
absl::Status EndPortProxy(const std::string& name);

}  // namespace vx::network
