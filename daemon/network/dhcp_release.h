// Leases of addresses that have changed hands.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "daemon/network/address.h"

namespace vx::network {

// Of dnsmasq's lease file; IPv4 alone.
struct Lease {
  std::string mac;
  Address address;
  // As the client gave it, in bytes; empty where it gave none.
  std::string client_id;
};

std::vector<Lease> ParseLeases(absl::string_view text);

// What a client sends that gives its address back (RFC 2131, DHCPRELEASE) to the server
// that has the address `server`.
std::string MakeRelease(const Lease& lease, const Address& server);

// Sends that to it, from this host. Best effort, as nothing answers.
void SendRelease(const Lease& lease, const Address& server);

}  // namespace vx::network
