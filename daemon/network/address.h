// Addresses and prefixes of both families, in host byte order where that matters not at
// all: they are bytes.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vx::network {

// IPv4 in the first 4 bytes, or IPv6.
struct Address {
  bool v6 = false;
  std::array<uint8_t, 16> bytes = {};

  auto operator<=>(const Address&) const = default;
};

// INVALID_ARGUMENT names the text.
absl::StatusOr<Address> ParseAddress(absl::string_view text);
std::string ToString(const Address& address);

// An address of a host, or the first of a network, with how many bits the network has.
struct Prefix {
  Address address;
  int length = 0;

  auto operator<=>(const Prefix&) const = default;
};

// "10.20.0.0/24", "10.20.0.1/24", "fd00::/64". INVALID_ARGUMENT names the text.
absl::StatusOr<Prefix> ParsePrefix(absl::string_view text);
std::string ToString(const Prefix& prefix);

bool Contains(const Prefix& prefix, const Address& address);
bool Overlap(const Prefix& a, const Prefix& b);
// The prefix with the bits behind its length cleared.
Prefix NetworkOf(const Prefix& prefix);
// The address that is `number` above the prefix's first.
Address Nth(const Prefix& prefix, uint64_t number);
// How far above the prefix's first an address of it is; of the last 64 bits.
uint64_t NumberOf(const Prefix& prefix, const Address& address);

}  // namespace vx::network
