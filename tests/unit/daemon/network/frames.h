// Frames as no honest workload sends them.
#pragma once

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>

#include <set>
#include <string>

#include "daemon/network/ipam.h"
#include "tests/unit/daemon/network/namespaces.h"

namespace vx::network {

inline std::string Bytes(const Address& address) {
  return std::string(reinterpret_cast<const char*>(address.bytes.data()), address.v6 ? 16 : 4);
}
inline std::string MacBytes(const std::string& mac) {
  const Mac bytes = ParseMac(mac).value();
  return std::string(bytes.begin(), bytes.end());
}
inline std::string Number(int value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

inline std::string Ethernet(const std::string& to, const std::string& from, int type,
                            const std::string& payload) {
  return MacBytes(to) + MacBytes(from) + Number(type) + payload;
}

// UDP checksums may be 0 in IPv4.
inline std::string UdpPacket(const Address& from, const Address& to, int port,
                             const std::string& text) {
  const int udp_size = 8 + static_cast<int>(text.size());
  std::string header = std::string("\x45\0", 2) + Number(20 + udp_size) +
                       std::string("\0\0\0\0\x40\x11\0\0", 8) + Bytes(from) + Bytes(to);
  uint32_t sum = 0;
  for (size_t i = 0; i < header.size(); i += 2) {
    sum += static_cast<uint8_t>(header[i]) << 8 | static_cast<uint8_t>(header[i + 1]);
  }
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  header.replace(10, 2, Number(~sum & 0xffff));
  return header + Number(port) + Number(port) + Number(udp_size) + Number(0) + text;
}

inline std::string ArpReply(const std::string& mac, const Address& sender, const Address& target) {
  return Number(1) + Number(0x0800) + std::string("\6\4", 2) + Number(2) + MacBytes(mac) +
         Bytes(sender) + MacBytes(mac) + Bytes(target);
}

// An ICMPv6 message of that type that begins with the address, as a neighbor's does.
inline std::string Icmp6(const Address& from, const Address& to, int type, const Address& target) {
  const std::string body = std::string(1, static_cast<char>(type)) + std::string(7, '\0') +
                           Bytes(target);
  return std::string("\x60\0\0\0", 4) + Number(static_cast<int>(body.size())) + "\x3a\xff" +
         Bytes(from) + Bytes(to) + body;
}

// All frames of eth0 in that namespace, in and out.
inline UniqueFd PacketSocket(const Namespace& where) {
  UniqueFd fd;
  where.Run([&] {
    fd.reset(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    sockaddr_ll at = {};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = static_cast<int>(if_nametoindex("eth0"));
    if (bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) fd.reset();
  });
  return fd;
}

// Which of `texts` are in frames that come in, until the last of them does.
inline std::set<std::string> Arrived(int fd, const std::vector<std::string>& frames) {
  std::set<std::string> arrived;
  char buffer[4096];
  while (Readable(fd)) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) break;
    const std::string frame(buffer, static_cast<size_t>(n));
    for (const std::string& sent : frames) {
      if (frame == sent) arrived.insert(sent);
    }
    if (frame == frames.back()) break;
  }
  return arrived;
}

}  // namespace vx::network
