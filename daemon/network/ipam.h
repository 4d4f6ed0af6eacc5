// Which address is free: pure functions over what is taken.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "daemon/network/address.h"

namespace vx::network {

// The lowest that is not taken, behind `after`, and from the first on when there is none
// behind; never the prefix's first or gateway, nor an IPv4 network's broadcast address.
// `after`, the number of the one given last, keeps an address that was just given back from
// being given out at once. RESOURCE_EXHAUSTED (NO_ADDRESS) when all are taken.
absl::StatusOr<Address> FreeAddress(const Prefix& prefix, const Address& gateway,
                                    const std::set<Address>& taken, uint64_t after);

// Whether `wanted` may be given: INVALID_ARGUMENT (BAD_ADDRESS) outside of the prefix, its
// first, its gateway or broadcast address.
absl::Status CheckAddress(const Prefix& prefix, const Address& gateway, const Address& wanted);

// The first of the /24s (or what `length` says) of `pool` that overlaps none of `taken`.
// RESOURCE_EXHAUSTED (NO_SUBNET).
absl::StatusOr<Prefix> FreeSubnet(const Prefix& pool, int length, const std::vector<Prefix>& taken);

// The /64 with number `index` below a unique local prefix (RFC 4193 section 3.1) whose
// global id comes from `seed`.
Prefix UniqueLocal(const std::string& seed, uint16_t index);

// A locally administered unicast address "02:xx:…" from a hash of `seed`.
std::string MakeMac(const std::string& seed);
using Mac = std::array<uint8_t, 6>;
// INVALID_ARGUMENT (BAD_MAC) for what is none, or a group's.
absl::StatusOr<Mac> ParseMac(absl::string_view text);
absl::Status CheckMac(const std::string& mac);

}  // namespace vx::network
