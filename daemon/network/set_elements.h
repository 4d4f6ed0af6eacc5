// Elements of nftables sets, put and taken by netlink alone: a tenth of what a run of nft(8)
// costs. The socket is one of NETLINK_NETFILTER that is kept: its close waits until what was
// removed is freed, some 20 ms.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/network/firewall.h"
#include "daemon/network/netlink.h"

namespace vx::network {

// The key as the kernel compares it: fields one behind the other, each padded to 4 bytes.
struct SetElement {
  std::string set;
  std::string key;
};

// Those of the bridge table for a port. INVALID_ARGUMENT for a bad mac or link's name.
absl::StatusOr<std::vector<SetElement>> ElementsOf(const FirewallPort& port);

// All or none, in the table of family bridge; fine for what is there already. NOT_FOUND
// without the table.
absl::Status AddElements(Netlink& netlink, const std::string& table,
                         const std::vector<SetElement>& elements);
// Each by itself; fine for what is not there.
absl::Status RemoveElements(Netlink& netlink, const std::string& table,
                            const std::vector<SetElement>& elements);

}  // namespace vx::network
