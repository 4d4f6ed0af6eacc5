#include "daemon/network/ipam.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"

namespace vx::network {
namespace {

int Bits(const Address& address) { return address.v6 ? 128 : 32; }

// The highest number that an address of the prefix may have; 0: there is none.
uint64_t LastNumber(const Prefix& prefix) {
  const int host_bits = Bits(prefix.address) - prefix.length;
  if (host_bits >= 64) return std::numeric_limits<uint64_t>::max();
  const uint64_t highest = (uint64_t{1} << host_bits) - 1;
  // An IPv4 network's last is its broadcast address.
  return prefix.address.v6 || highest == 0 ? highest : highest - 1;
}

// The first free one from `from` to `to`, or 0. Looks at most at one more than are taken.
uint64_t FirstFree(const Prefix& prefix, const Address& gateway, const std::set<Address>& taken,
                   uint64_t from, uint64_t to) {
  if (from == 0 || from > to) return 0;
  for (uint64_t number = from;; ++number) {
    const Address address = Nth(prefix, number);
    if (address != gateway && !taken.contains(address)) return number;
    if (number == to) return 0;
  }
}

std::array<uint8_t, SHA256_DIGEST_LENGTH> Hash(const std::string& seed) {
  std::array<uint8_t, SHA256_DIGEST_LENGTH> hash;
  SHA256(reinterpret_cast<const uint8_t*>(seed.data()), seed.size(), hash.data());
  return hash;
}

absl::Status BadAddress(const Prefix& prefix, const Address& wanted, absl::string_view why) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_ADDRESS",
               absl::StrCat(ToString(wanted), " can't be had: ", why, " ", ToString(prefix)));
}

// The next network of `length` behind both `candidate` and `taken`, which overlap;
// nothing behind the last address of all.
bool StepBehind(Prefix* candidate, const Prefix& taken) {
  const int wide = std::min(candidate->length, taken.length);
  const Address first = NetworkOf({candidate->address, wide}).address;
  // Adds one to the number that the first `wide` bits are.
  Address next = first;
  int bit = wide - 1;
  for (; bit >= 0; --bit) {
    const uint8_t mask = 0x80 >> (bit % 8);
    next.bytes[bit / 8] ^= mask;
    if ((next.bytes[bit / 8] & mask) != 0) break;
  }
  candidate->address = next;
  return bit >= 0;
}

}  // namespace

absl::StatusOr<Address> FreeAddress(const Prefix& prefix, const Address& gateway,
                                    const std::set<Address>& taken, uint64_t after) {
  const uint64_t last = LastNumber(prefix);
  uint64_t number = 0;
  if (after < last) number = FirstFree(prefix, gateway, taken, after + 1, last);
  if (number == 0) number = FirstFree(prefix, gateway, taken, 1, std::min(after, last));
  if (number != 0) return Nth(prefix, number);
  return Error(absl::StatusCode::kResourceExhausted, "NO_ADDRESS",
               absl::StrCat("all addresses of ", ToString(NetworkOf(prefix)), " are taken"),
               "remove workloads of the network, or make one with a larger --subnet");
}

absl::Status CheckAddress(const Prefix& prefix, const Address& gateway, const Address& wanted) {
  const Prefix network = NetworkOf(prefix);
  if (!Contains(network, wanted)) return BadAddress(network, wanted, "it is outside of");
  if (wanted == network.address) return BadAddress(network, wanted, "it names the network");
  if (wanted == gateway) return BadAddress(network, wanted, "it is the gateway of");
  if (!wanted.v6 && NumberOf(network, wanted) > LastNumber(network)) {
    return BadAddress(network, wanted, "it is the broadcast address of");
  }
  return absl::OkStatus();
}

absl::StatusOr<Prefix> FreeSubnet(const Prefix& pool, int length,
                                  const std::vector<Prefix>& taken) {
  Prefix candidate{NetworkOf(pool).address, length};
  bool more = length >= pool.length && length <= Bits(pool.address);
  while (more && Contains(pool, candidate.address)) {
    const auto in_the_way = std::find_if(taken.begin(), taken.end(), [&](const Prefix& other) {
      return Overlap(candidate, other);
    });
    if (in_the_way == taken.end()) return candidate;
    more = StepBehind(&candidate, *in_the_way);
  }
  return Error(absl::StatusCode::kResourceExhausted, "NO_SUBNET",
               absl::StrCat("no /", length, " of ", ToString(pool), " is free"),
               "give one with --subnet, or another pool as network.subnet");
}

Prefix UniqueLocal(const std::string& seed, uint16_t index) {
  Prefix prefix{{.v6 = true}, 64};
  const auto hash = Hash(seed);
  prefix.address.bytes[0] = 0xfd;
  std::copy_n(hash.begin(), 5, prefix.address.bytes.begin() + 1);
  prefix.address.bytes[6] = index >> 8;
  prefix.address.bytes[7] = index & 0xff;
  return prefix;
}

std::string MakeMac(const std::string& seed) {
  const auto hash = Hash(seed);
  return absl::StrFormat("02:%02x:%02x:%02x:%02x:%02x", hash[0], hash[1], hash[2], hash[3],
                         hash[4]);
}

absl::StatusOr<Mac> ParseMac(absl::string_view text) {
  const absl::Status bad = Error(absl::StatusCode::kInvalidArgument, "BAD_MAC",
                                 absl::StrCat("\"", text, "\" is no address of one interface"),
                                 "write six bytes, the first of them even: 02:00:00:00:00:01");
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  Mac mac{};
  if (parts.size() != mac.size()) return bad;
  for (size_t i = 0; i < mac.size(); ++i) {
    const bool hex = std::all_of(parts[i].begin(), parts[i].end(), absl::ascii_isxdigit);
    if (parts[i].size() != 2 || !hex) return bad;
    mac[i] = static_cast<uint8_t>(absl::HexStringToBytes(parts[i])[0]);
  }
  if ((mac[0] & 1) != 0 || mac == Mac{}) return bad;
  return mac;
}

absl::Status CheckMac(const std::string& mac) { return ParseMac(mac).status(); }

}  // namespace vx::network
