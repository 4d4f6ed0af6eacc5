// EnsureBridge and CheckBridge of links.h.
#include <linux/if_bridge.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/network/ipam.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/links.h"
#include "daemon/network/netlink.h"
#include "daemon/network/nl_address.h"

namespace vx::network {
namespace {

absl::Status NoBridge(const std::string& name, absl::string_view why, absl::string_view hint) {
  return Error(absl::StatusCode::kFailedPrecondition, "NO_BRIDGE",
               absl::StrCat("\"", name, "\" ", why), hint);
}

// "" when there is no such link.
absl::StatusOr<std::string> KindOf(Netlink& netlink, const std::string& name) {
  if (!LinkExists(name)) return "";
  rtnl_link* found = nullptr;
  const int error = rtnl_link_get_kernel(netlink.get(), 0, name.c_str(), &found);
  if (error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND) return "";
  if (error != 0) {
    return Error(absl::StatusCode::kInternal, "NETLINK_FAILED",
                 absl::StrCat("look at link ", name, ": ", nl_geterror(error)));
  }
  const std::unique_ptr<rtnl_link, decltype(&rtnl_link_put)> link(found, rtnl_link_put);
  const char* kind = rtnl_link_get_type(link.get());
  return kind == nullptr ? "physical" : kind;
}

void PutBridge(NetlinkMessage& message) {
  nlattr* info = message.Begin(IFLA_LINKINFO);
  message.PutText(IFLA_INFO_KIND, "bridge");
  nlattr* data = message.Begin(IFLA_INFO_DATA);
  message.Put32(IFLA_BR_STP_STATE, 0).Put8(IFLA_BR_MCAST_SNOOPING, 0);
  message.End(data).End(info);
}

NetlinkMessage BridgeMessage(const BridgeConfig& config, int flags, bool up) {
  NetlinkMessage message = LinkMessage(RTM_NEWLINK, flags, config.name, up);
  const Mac mac = *ParseMac(BridgeMac(config.name));
  message.Put(IFLA_ADDRESS, mac.data(), mac.size());
  message.Put32(IFLA_MTU, static_cast<uint32_t>(config.mtu));
  PutBridge(message);
  return message;
}

// What a workload says of routers is not for the host. Fine where IPv6 is off.
absl::Status IgnoreRouters(const std::string& bridge) {
  const absl::Status status =
      WriteToFile(absl::StrCat("/proc/sys/net/ipv6/conf/", bridge, "/accept_ra"), "0");
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

bool LinkLocal(const Address& address) {
  return address.v6 && address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80;
}

absl::StatusOr<std::vector<Prefix>> AddressesOf(Netlink& netlink, int link) {
  nl_cache* read = nullptr;
  const int error = rtnl_addr_alloc_cache(netlink.get(), &read);
  if (error != 0) {
    return Error(absl::StatusCode::kInternal, "NETLINK_FAILED",
                 absl::StrCat("list addresses: ", nl_geterror(error)));
  }
  const std::unique_ptr<nl_cache, decltype(&nl_cache_free)> cache(read, nl_cache_free);
  std::vector<Prefix> prefixes;
  for (nl_object* o = nl_cache_get_first(read); o != nullptr; o = nl_cache_get_next(o)) {
    auto* address = reinterpret_cast<rtnl_addr*>(o);
    const auto prefix = PrefixOf(rtnl_addr_get_local(address));
    if (rtnl_addr_get_ifindex(address) != link || !prefix.has_value()) continue;
    prefixes.push_back({prefix->address, rtnl_addr_get_prefixlen(address)});
  }
  return prefixes;
}

bool Has(const std::vector<Prefix>& prefixes, const Prefix& prefix) {
  return std::find(prefixes.begin(), prefixes.end(), prefix) != prefixes.end();
}

// What is too much goes first: with an address of IPv4 go the others of its network.
absl::Status RemoveOthers(Netlink& netlink, const BridgeConfig& config, int link) {
  VX_ASSIGN_OR_RETURN(const auto present, AddressesOf(netlink, link));
  for (const Prefix& prefix : present) {
    if (Has(config.addresses, prefix) || LinkLocal(prefix.address)) continue;
    const absl::Status status =
        netlink.Do(AddressMessage(RTM_DELADDR, 0, link, prefix),
                   absl::StrCat("take ", ToString(prefix), " from bridge ", config.name));
    if (!status.ok() && status.code() != absl::StatusCode::kUnavailable) return status;
  }
  return absl::OkStatus();
}

absl::Status AddAddresses(Netlink& netlink, const BridgeConfig& config, int link) {
  for (const Prefix& prefix : config.addresses) {
    VX_RETURN_IF_ERROR(
        netlink.Do(AddressMessage(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, link, prefix),
                   absl::StrCat("give ", ToString(prefix), " to bridge ", config.name)));
  }
  return absl::OkStatus();
}

absl::Status MakeLink(Netlink& netlink, const BridgeConfig& config) {
  VX_ASSIGN_OR_RETURN(const std::string kind, KindOf(netlink, config.name));
  if (!kind.empty() && kind != "bridge") {
    return NoBridge(config.name, absl::StrCat("is a link of another kind (", kind, ")"),
                    "name another bridge: network.bridge in vxd.toml");
  }
  const std::string doing = absl::StrCat("make bridge ", config.name);
  const absl::Status made = netlink.Do(BridgeMessage(config, NLM_F_CREATE, false), doing);
  if (absl::IsUnimplemented(made)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_BRIDGES",
                 "this kernel makes no bridges, which networks are made of",
                 "modprobe bridge; or do without: --network none");
  }
  VX_RETURN_IF_ERROR(made);
  VX_RETURN_IF_ERROR(IgnoreRouters(config.name));
  return netlink.Do(LinkMessage(RTM_NEWLINK, 0, config.name, true), doing);
}

}  // namespace

std::string BridgeMac(const std::string& name) { return MakeMac("bridge " + name); }

absl::Status EnsureBridge(const BridgeConfig& config) {
  VX_RETURN_IF_ERROR(CheckLinkName(config.name));
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  VX_RETURN_IF_ERROR(MakeLink(netlink, config));
  const int link = static_cast<int>(if_nametoindex(config.name.c_str()));
  VX_RETURN_IF_ERROR(RemoveOthers(netlink, config, link));
  return AddAddresses(netlink, config, link);
}

absl::Status CheckBridge(const std::string& name) {
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  VX_ASSIGN_OR_RETURN(const std::string kind, KindOf(netlink, name));
  if (kind == "bridge") return absl::OkStatus();
  if (kind.empty()) return NoBridge(name, "is no link of this host", "ip link show type bridge");
  return NoBridge(name, absl::StrCat("is no bridge (", kind, ")"), "ip link show type bridge");
}

}  // namespace vx::network
