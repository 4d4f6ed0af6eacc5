// BridgeTable of ruleset.h: frames of a port carry what is the port's own.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/substitute.h"
#include "daemon/network/links.h"
#include "daemon/network/ruleset.h"
#include "daemon/network/ruleset_text.h"

namespace vx::network {
namespace {

struct Elements {
  std::vector<std::string> ports, macs, v4, v6, neighbors;
};

std::string Hex(const Address& address) {
  const auto* bytes = reinterpret_cast<const char*>(address.bytes.data());
  return "0x" + absl::BytesToHexString(absl::string_view(bytes, 16));
}

void Add(const FirewallPort& port, Elements* to) {
  const std::string link = Quoted(port.link);
  const std::string frame = absl::StrCat(link, " . ", absl::AsciiStrToLower(port.mac));
  to->ports.push_back(link);
  to->macs.push_back(frame);
  for (const Address& address : port.addresses) {
    const std::string element = absl::StrCat(frame, " . ", ToString(address));
    (address.v6 ? to->v6 : to->v4).push_back(element);
    if (address.v6) to->neighbors.push_back(absl::StrCat(frame, " . ", Hex(address)));
  }
}

std::string Sets(const FirewallConfig& config) {
  Elements elements;
  for (const FirewallPort& port : config.ports) Add(port, &elements);
  return absl::StrCat(
      Set("set", kPortsSet, "type ifname", elements.ports),
      Set("set", kMacsSet, "type ifname . ether_addr", elements.macs),
      Set("set", kV4Set, "type ifname . ether_addr . ipv4_addr", elements.v4),
      Set("set", kV6Set, "type ifname . ether_addr . ipv6_addr", elements.v6),
      // A neighbor advertisement's target, which this nft has no name for.
      Set("set", kNeighborsSet, "typeof iifname . ether saddr . @th,64,128", elements.neighbors));
}

// Inside of a network nobody is reached through the host, which would get around isolation.
std::string NotThroughTheHost(const FirewallConfig& config, bool v6) {
  std::string rules;
  for (const FirewallNetwork& network : config.networks) {
    const std::string gateways = AddressSet(network.gateways, v6);
    for (const Prefix& prefix : network.prefixes) {
      if (prefix.address.v6 != v6) continue;
      const std::string to = v6 ? "ip6 daddr" : "ip daddr";
      absl::StrAppend(&rules, "    ether daddr ", BridgeMac(network.bridge), " ", to, " ",
                      ToString(NetworkOf(prefix)));
      if (!gateways.empty()) absl::StrAppend(&rules, " ", to, " != ", gateways);
      absl::StrAppend(&rules, " drop\n");
    }
  }
  return rules;
}

// Rules that drop what is more than a port may have.
std::string Limits(const FirewallConfig& config, bool received) {
  constexpr int64_t kLeastBurst = 256 << 10, kMostBurst = 1 << 30;
  std::string rules;
  for (const FirewallLimit& limit : config.limits) {
    const int64_t rate = received ? limit.receive_bytes : limit.send_bytes;
    if (rate <= 0) continue;
    // A frame may be one of 64 KiB that is cut up later.
    absl::StrAppend(&rules, "    ", received ? "oifname " : "iifname ", Quoted(limit.link),
                    " limit rate over ", rate, " bytes/second burst ",
                    std::clamp(rate / 10, kLeastBurst, kMostBurst), " bytes drop\n");
  }
  return rules;
}

// $2 and $3: Limits. $0 and $1: NotThroughTheHost. Servers of DHCP and routers are the host alone.
constexpr char kChains[] = R"(
  chain from_port {
    type filter hook prerouting priority -300; policy accept;
    iifname != @ports accept
    iifname . ether saddr != @macs drop
    ether type arp jump from_port_arp
    ether type ip jump from_port4
    ether type ip6 jump from_port6
    drop
  }
  chain from_port_arp {
    iifname . arp saddr ether . arp saddr ip @addresses4 accept
    arp saddr ip 0.0.0.0 arp operation request iifname . arp saddr ether @macs accept
    drop
  }
  chain from_port4 {
    ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept
    iifname . ether saddr . ip saddr != @addresses4 drop
    udp sport 67 udp dport 68 drop
$0    accept
  }
  chain from_port6 {
    ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld2-listener-report } accept
    icmpv6 type { nd-router-advert, nd-redirect } drop
    icmpv6 type nd-neighbor-advert @th,64,10 != 0x3fa iifname . ether saddr . @th,64,128 != @neighbors6 drop
    udp sport 547 udp dport 546 drop
$1    ip6 saddr fe80::/10 accept
    iifname . ether saddr . ip6 saddr @addresses6 accept
    drop
  }
  chain to_port {
    type filter hook postrouting priority 0; policy accept;
    meta pkttype { broadcast, multicast } oifname . ether saddr @macs drop
$2  }
  chain limited {
    type filter hook prerouting priority -310; policy accept;
$3  }
)";

}  // namespace

std::string BridgeTable(absl::string_view table, const FirewallConfig& config) {
  return absl::StrCat(Opening("bridge", table), Sets(config),
                      absl::Substitute(kChains, NotThroughTheHost(config, false),
                                       NotThroughTheHost(config, true), Limits(config, true),
                                       Limits(config, false)),
                      "}\n");
}

}  // namespace vx::network
