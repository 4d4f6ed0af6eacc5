// A guest's end of its networks, as its agent is told of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vx::agent {

struct BootNic {
  // "52:54:00:12:34:56"; by it the guest finds the link.
  std::string mac;
  // What the link is called from then on.
  std::string link;
  // Bytes of a frame's payload; 0: as the link comes.
  uint32_t mtu = 0;
  // With prefix length: "10.0.0.2/24", "fd00::2/64".
  std::vector<std::string> addresses;
  // Ways out: "10.0.0.1", "fd00::1".
  std::vector<std::string> gateways;

  bool operator==(const BootNic&) const = default;
};

// An address of either family, in network order.
struct IpAddress {
  bool v6 = false;
  uint8_t bytes[16] = {};
  uint8_t prefix = 0;

  size_t size() const { return v6 ? 16 : 4; }
};

// False when the text isn't one: "10.0.0.2/24"; "10.0.0.1", whose prefix is all of it.
bool ParsePrefix(const std::string& text, IpAddress& address);
bool ParseAddress(const std::string& text, IpAddress& address);
// False unless it is of six bytes.
bool ParseMac(const std::string& text, uint8_t (&mac)[6]);

// Bounds; the kernel's own are not smaller.
inline constexpr size_t kMaxLinkName = 15;
inline constexpr uint32_t kMaxMtu = 65535;
inline constexpr size_t kMaxNics = 22;
inline constexpr size_t kMaxNicAddresses = 64;

// nullptr, or what is wrong with it.
const char* CheckNic(const BootNic& nic);

// One field of a blob: "MAC LINK MTU ADDRESS,… GATEWAY,…", "-" where there is none. For
// a NIC that passes CheckNic.
std::string EncodeNic(const BootNic& nic);
// False when it has another form.
bool DecodeNic(std::string_view value, BootNic& nic);

}  // namespace vx::agent
