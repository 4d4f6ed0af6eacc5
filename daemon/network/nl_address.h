// Addresses of libnl as ours.
#pragma once

#include <optional>

#include "daemon/network/address.h"

struct nl_addr;

namespace vx::network {

// Nothing for a null or another family.
std::optional<Prefix> PrefixOf(nl_addr* address);

}  // namespace vx::network
