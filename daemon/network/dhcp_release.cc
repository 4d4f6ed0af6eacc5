#include "daemon/network/dhcp_release.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/unique_fd.h"

namespace vx::network {
namespace {

constexpr uint16_t kServerPort = 67;
constexpr size_t kHardwareBytes = 6;
// Where the fields of the fixed part are (RFC 2131 section 2).
constexpr size_t kClientAddress = 12, kHardware = 28, kCookie = 236, kOptions = 240;
constexpr size_t kLeast = 300;
constexpr char kMagic[] = "\x63\x82\x53\x63";
enum Option : char { kMessageType = 53, kServerId = 54, kClientId = 61, kEnd = '\xff' };
constexpr char kRelease[] = "\x07";

std::string BytesOf(absl::string_view colons) {
  return absl::HexStringToBytes(absl::StrReplaceAll(colons, {{":", ""}}));
}

absl::string_view Four(const Address& address) {
  return {reinterpret_cast<const char*>(address.bytes.data()), 4};
}

void AddOption(std::string& packet, Option option, absl::string_view value) {
  if (value.empty() || value.size() > 255) return;
  packet.push_back(option);
  packet.push_back(static_cast<char>(value.size()));
  packet.append(value.data(), value.size());
}

}  // namespace

std::vector<Lease> ParseLeases(absl::string_view text) {
  std::vector<Lease> leases;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    // Expiry, mac, address, name, client id.
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ');
    if (fields.size() < 5) continue;
    auto address = ParseAddress(fields[2]);
    if (!address.ok() || address->v6) continue;
    const std::string client_id = fields[4] == "*" ? "" : BytesOf(fields[4]);
    leases.push_back({std::string(fields[1]), *address, client_id});
  }
  return leases;
}

std::string MakeRelease(const Lease& lease, const Address& server) {
  std::string packet(kOptions, '\0');
  packet[0] = 1;  // a request
  packet[1] = 1;  // by Ethernet
  packet[2] = kHardwareBytes;
  packet.replace(kClientAddress, 4, Four(lease.address).data(), 4);
  const std::string mac = BytesOf(lease.mac).substr(0, kHardwareBytes);
  packet.replace(kHardware, mac.size(), mac);
  packet.replace(kCookie, 4, kMagic, 4);
  AddOption(packet, kMessageType, kRelease);
  AddOption(packet, kServerId, Four(server));
  AddOption(packet, kClientId, lease.client_id);
  packet.push_back(kEnd);
  if (packet.size() < kLeast) packet.resize(kLeast);
  return packet;
}

void SendRelease(const Lease& lease, const Address& server) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(kServerPort);
  memcpy(&to.sin_addr, server.bytes.data(), 4);
  const std::string packet = MakeRelease(lease, server);
  sendto(fd.get(), packet.data(), packet.size(), MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&to),
         sizeof to);
}

}  // namespace vx::network
