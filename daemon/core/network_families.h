// A network's subnets, one of each family at most.
#pragma once

#include <vector>

#include "daemon/network/address.h"
#include "daemon/network/ipam.h"
#include "vx/v1/network.pb.h"

namespace vx::core {

struct Family {
  network::Prefix prefix;
  // The host's own address in it.
  network::Address gateway;
};

// IPv4 first. None of a network that is a bridge of the host's.
inline std::vector<Family> FamiliesOf(const v1::Network& network) {
  std::vector<Family> families;
  const v1::NetworkSpec& spec = network.spec();
  if (auto prefix = network::ParsePrefix(spec.subnet()); prefix.ok()) {
    auto gateway = network::ParseAddress(spec.gateway());
    families.push_back({*prefix, gateway.ok() ? *gateway : network::Nth(*prefix, 1)});
  }
  if (auto prefix = network::ParsePrefix(spec.ipv6_subnet()); prefix.ok()) {
    families.push_back({*prefix, network::Nth(*prefix, 1)});
  }
  return families;
}

}  // namespace vx::core
