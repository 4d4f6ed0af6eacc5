// The text that nft(8) reads: pure functions of what is wanted.
//
// Chains have fixed names, and what differs from workload to workload is elements of sets and
// maps, so that a rule's cost does not grow with their number.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "daemon/network/firewall.h"

namespace vx::network {

// Sets of the bridge table; what an element is made of.
inline constexpr char kPortsSet[] = "ports";          // link
inline constexpr char kMacsSet[] = "macs";            // link . mac
inline constexpr char kV4Set[] = "addresses4";        // link . mac . IPv4 address
inline constexpr char kV6Set[] = "addresses6";        // link . mac . IPv6 address
inline constexpr char kNeighborsSet[] = "neighbors6";  // the same, as nft's integers

std::string BridgeTable(absl::string_view table, const FirewallConfig& config);
std::string InetTable(absl::string_view table, const FirewallConfig& config);

}  // namespace vx::network
