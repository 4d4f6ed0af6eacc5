// Links, addresses and routes, by netlink (libnl-route-3, rtnetlink(7)).
//
// All that is made is named: who has the name can make sure of it, and remove it, without a
// memory of what was done. Errors carry the kernel's reason and name the link.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/network/address.h"

namespace vx::network {

// The kernel's IFNAMSIZ without the null.
inline constexpr int kMaxLinkName = 15;

struct BridgeConfig {
  std::string name;
  // The host's own on it, with prefix length.
  std::vector<Prefix> addresses;
  int mtu = 1500;
};

// What a workload has on one network.
struct PortConfig {
  // On the host; the name says whose it is.
  std::string host_link;
  // Inside: "eth0", "eth1", …
  std::string guest_link;
  std::string mac;
  // With the network's prefix length.
  std::vector<Prefix> addresses;
  // One of each family at most; none for all but the first network of a workload.
  std::vector<Address> gateways;
  int mtu = 1500;
  // Ports of the bridge that are isolated reach no other isolated one.
  bool isolated = false;
  // Frames may go back where they came from: how a workload reaches its own published port
  // where br_netfilter has bridged frames translated (hosts with Docker). The bridge then
  // sends a port its own broadcasts, which our firewall drops; false on bridges of others.
  bool hairpin = true;
};

// Thread-safe, all of them: each call has a netlink socket of its own.

// Makes the bridge, or makes it so: up, without spanning tree and multicast snooping, with
// these addresses and no other (but link-local ones), deaf to router advertisements. Fine
// when it is so already. Its hardware address is BridgeMac's. FAILED_PRECONDITION (NO_BRIDGE)
// when the name is another kind of link's.
absl::Status EnsureBridge(const BridgeConfig& config);
// Comes from the name, so that a bridge made anew is what its workloads remember.
std::string BridgeMac(const std::string& name);
// FAILED_PRECONDITION (NO_BRIDGE) when there is no link of that name, or it is no bridge.
absl::Status CheckBridge(const std::string& name);
absl::Status RemoveLink(const std::string& name);  // fine when it is not there
bool LinkExists(const std::string& name);

// A veth pair between `bridge` and the network namespace behind `netns`, configured there:
// mac, addresses (no duplicate address detection), routes, up. Removes it on failure, and
// before it what an earlier run left under the name. Frames pass at once: the port's
// addresses should be the firewall's (AddPort) before.
//
// Nobody needs to unplug: the pair goes with the namespace, which is quicker than RemoveLink.
absl::Status PlugNetns(const std::string& bridge, const PortConfig& port, int netns);
// The gateways of a link that is in the namespace already.
absl::Status SetGateways(const PortConfig& port, int netns);
// The same for a tap that is there: a port of the bridge, up. What is inside is the guest's.
absl::Status PlugTap(const std::string& bridge, const PortConfig& port, const std::string& tap);

// Takes it out of its bridge, and down; fine when it is not there.
absl::Status UnplugTap(const std::string& tap);

// Networks that the host has routes to, in any table, and those of its own addresses; default
// routes, loopback, link-local and multicast ones aside. Sorted, each once.
absl::StatusOr<std::vector<Prefix>> HostRoutes();
// Names of links that begin so.
absl::StatusOr<std::vector<std::string>> LinksNamed(const std::string& beginning);

}  // namespace vx::network
