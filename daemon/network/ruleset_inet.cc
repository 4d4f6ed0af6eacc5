// InetTable of ruleset.h: published ports, ways out, and what of the host is reached.
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "daemon/network/ruleset.h"
#include "daemon/network/ruleset_text.h"

namespace vx::network {
namespace {

// Maps by name; those that start with "at" have the host's address in the key.
using Maps = std::map<std::string, std::vector<std::string>>;

// The name in `maps` for ports of that kind, and what precedes the port in the key; nothing
// where the address of the host is no address of the target's family, or is [::1], which a
// proxy serves.
bool Place(const PublishedPort& port, bool v6, std::string* map, std::string* key) {
  const std::string kind = absl::StrCat(port.udp ? "udp" : "tcp", v6 ? "6" : "4");
  *map = kind;
  key->clear();
  if (port.host_ip.empty()) return true;
  const auto host = ParseAddress(port.host_ip);
  if (!host.ok() || host->v6 != v6 || ToString(*host) == "::1") return false;
  if (*host == Address{.v6 = v6}) return true;
  *map = "at_" + kind;
  *key = ToString(*host) + " . ";
  return true;
}

void Add(const PublishedPort& port, Maps* maps) {
  for (const Address& target : port.targets) {
    std::string map, key;
    if (!Place(port, target.v6, &map, &key)) continue;
    for (int i = 0; i < port.count; ++i) {
      (*maps)[map].push_back(absl::StrCat(key, port.host_port + i, " : ", ToString(target), " . ",
                                          port.guest_port + i));
    }
  }
}

std::string PublishedMaps(const FirewallConfig& config) {
  Maps maps;
  for (const PublishedPort& port : config.published) Add(port, &maps);
  std::string text;
  for (const char* kind : {"tcp4", "udp4", "tcp6", "udp6"}) {
    const std::string address = absl::StrCat("ipv", kind[3] == '4' ? "4" : "6", "_addr");
    const std::string to = absl::StrCat("inet_service : ", address, " . inet_service");
    const std::string at = absl::StrCat("at_", kind);
    absl::StrAppend(&text, Set("map", kind, absl::StrCat("type ", to), maps[kind]),
                    Set("map", at, absl::StrCat("type ", address, " . ", to), maps[at]));
  }
  return text;
}

std::string Bridges(const FirewallConfig& config) {
  std::vector<std::string> bridges;
  for (const FirewallNetwork& network : config.networks) bridges.push_back(Quoted(network.bridge));
  return Set("set", "bridges", "type ifname", bridges);
}

// A port of the host that is given at one address goes before one given at all.
constexpr char kPublished[] = R"(
  chain published {
    ip6 daddr ::1 return
    dnat ip to ip daddr . tcp dport map @at_tcp4
    dnat ip to ip daddr . udp dport map @at_udp4
    dnat ip6 to ip6 daddr . tcp dport map @at_tcp6
    dnat ip6 to ip6 daddr . udp dport map @at_udp6
    meta nfproto ipv4 dnat ip to tcp dport map @tcp4
    meta nfproto ipv4 dnat ip to udp dport map @udp4
    meta nfproto ipv6 dnat ip6 to tcp dport map @tcp6
    meta nfproto ipv6 dnat ip6 to udp dport map @udp6
  }
  chain not_from_outside {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  chain published_to_others {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump published
  }
  chain published_to_host {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump published
  }
)";

// The way out, and the way back of what the host's own ports lead to.
std::string Masquerade(const FirewallConfig& config) {
  std::string rules = "    ip saddr 127.0.0.0/8 oifname @bridges masquerade\n";
  for (const FirewallNetwork& network : config.networks) {
    for (const Prefix& prefix : network.prefixes) {
      const std::string ip = prefix.address.v6 ? "ip6" : "ip";
      const std::string net = ToString(NetworkOf(prefix));
      const std::string bridge = Quoted(network.bridge);
      absl::StrAppend(&rules, "    ", ip, " saddr ", net, " ", ip, " daddr ", net, " oifname ",
                      bridge, " ct status dnat masquerade\n");
      if (network.internal) continue;
      absl::StrAppend(&rules, "    ", ip, " saddr ", net, " oifname != ", bridge, " masquerade\n");
    }
  }
  return absl::StrCat(
      "  chain leaving {\n    type nat hook postrouting priority srcnat; policy accept;\n", rules,
      "  }\n");
}

std::string Forward(const FirewallConfig& config) {
  std::string within, internal;
  for (const FirewallNetwork& network : config.networks) {
    const std::string bridge = Quoted(network.bridge);
    absl::StrAppend(&within, "    iifname ", bridge, " oifname ", bridge, " accept\n");
    if (!network.internal) continue;
    absl::StrAppend(&internal, "    iifname ", bridge, " drop\n    oifname ", bridge, " drop\n");
  }
  return absl::StrCat(R"(  chain through {
    type filter hook forward priority filter; policy accept;
    iifname @bridges jump through_networks
    oifname @bridges jump through_networks
  }
  chain through_networks {
)",
                      within, internal, R"(    ct state established,related accept
    oifname @bridges ct status dnat accept
    oifname @bridges drop
    accept
  }
)");
}

// Names and addresses are asked for at the network's own gateways alone.
std::string Services(const FirewallNetwork& network) {
  const std::string from = absl::StrCat("    iifname ", Quoted(network.bridge), " ");
  const std::string v4 = AddressSet(network.gateways, false);
  const std::string v6 = AddressSet(network.gateways, true);
  std::string rules;
  for (const auto& [ip, gateways] : {std::pair("ip", v4), std::pair("ip6", v6)}) {
    if (gateways.empty()) continue;
    absl::StrAppend(&rules, from, ip, " daddr ", gateways,
                    " meta l4proto { tcp, udp } th dport 53 accept\n");
  }
  if (!v4.empty()) absl::StrAppend(&rules, from, "udp sport 68 udp dport 67 accept\n");
  if (!v6.empty()) absl::StrAppend(&rules, from, "udp sport 546 udp dport 547 accept\n");
  return rules;
}

std::string Input(const FirewallConfig& config) {
  std::string services;
  for (const FirewallNetwork& network : config.networks) services += Services(network);
  return absl::Substitute(R"(  chain to_host {
    type filter hook input priority filter; policy accept;
    iifname @bridges jump from_networks
  }
  chain from_networks {
    ct state established,related accept
    icmp type echo-request accept
    icmpv6 type { echo-request, nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, mld-listener-report, mld2-listener-report } accept
$0    drop
  }
)",
                          services);
}

}  // namespace

std::string InetTable(absl::string_view table, const FirewallConfig& config) {
  return absl::StrCat(Opening("inet", table), Bridges(config), PublishedMaps(config), kPublished,
                      Masquerade(config), Forward(config), Input(config), "}\n");
}

}  // namespace vx::network
