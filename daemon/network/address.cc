#include "daemon/network/address.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::network {
namespace {

int Bytes(const Address& address) { return address.v6 ? 16 : 4; }
int Bits(const Address& address) { return 8 * Bytes(address); }

absl::uint128 ValueOf(const Address& address) {
  absl::uint128 value = 0;
  for (int i = 0; i < Bytes(address); ++i) value = (value << 8) | address.bytes[i];
  return value;
}

Address AddressOf(bool v6, absl::uint128 value) {
  Address address{.v6 = v6};
  for (int i = Bytes(address) - 1; i >= 0; --i) {
    address.bytes[i] = static_cast<uint8_t>(absl::Uint128Low64(value) & 0xff);
    value >>= 8;
  }
  return address;
}

absl::Status NoPrefix(absl::string_view text) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_PREFIX",
               absl::StrCat("\"", text, "\" is no network prefix"),
               "write an address and a length, as in 10.20.0.0/24 or fd00::/64");
}

// Digits alone: absl's parsers take signs and spaces too.
bool ParseLength(absl::string_view text, int* length) {
  const bool digits = std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
  return !text.empty() && text.size() <= 3 && digits && absl::SimpleAtoi(text, length);
}

}  // namespace

absl::StatusOr<Address> ParseAddress(absl::string_view text) {
  const std::string copy(text);
  Address address{.v6 = copy.find(':') != std::string::npos};
  const bool whole = copy.find('\0') == std::string::npos;
  const int family = address.v6 ? AF_INET6 : AF_INET;
  if (whole && inet_pton(family, copy.c_str(), address.bytes.data()) == 1) return address;
  return Error(absl::StatusCode::kInvalidArgument, "BAD_ADDRESS",
               absl::StrCat("\"", text, "\" is no IP address"));
}

std::string ToString(const Address& address) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(address.v6 ? AF_INET6 : AF_INET, address.bytes.data(), text, sizeof text);
  return text;
}

absl::StatusOr<Prefix> ParsePrefix(absl::string_view text) {
  const size_t slash = text.find('/');
  if (slash == absl::string_view::npos) return NoPrefix(text);
  auto address = ParseAddress(text.substr(0, slash));
  int length = 0;
  if (!address.ok() || !ParseLength(text.substr(slash + 1), &length)) return NoPrefix(text);
  if (length > Bits(*address)) return NoPrefix(text);
  return Prefix{*address, length};
}

std::string ToString(const Prefix& prefix) {
  return absl::StrCat(ToString(prefix.address), "/", prefix.length);
}

bool Contains(const Prefix& prefix, const Address& address) {
  return prefix.address.v6 == address.v6 &&
         NetworkOf({address, prefix.length}).address == NetworkOf(prefix).address;
}

bool Overlap(const Prefix& a, const Prefix& b) {
  return a.length <= b.length ? Contains(a, b.address) : Contains(b, a.address);
}

Prefix NetworkOf(const Prefix& prefix) {
  const int host_bits = Bits(prefix.address) - prefix.length;
  // A shift by all 128 bits is undefined.
  const absl::uint128 network =
      host_bits >= 128 ? 0 : (ValueOf(prefix.address) >> host_bits) << host_bits;
  return {AddressOf(prefix.address.v6, network), prefix.length};
}

Address Nth(const Prefix& prefix, uint64_t number) {
  return AddressOf(prefix.address.v6, ValueOf(NetworkOf(prefix).address) + number);
}

uint64_t NumberOf(const Prefix& prefix, const Address& address) {
  return absl::Uint128Low64(ValueOf(address) - ValueOf(NetworkOf(prefix).address));
}

}  // namespace vx::network
