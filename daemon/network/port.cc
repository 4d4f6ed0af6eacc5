// PlugNetns and PlugTap of links.h.
#include <linux/if_bridge.h>
#include <linux/veth.h>
#include <net/if.h>
#include <netlink/route/link.h>

#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/network/ipam.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/links.h"
#include "daemon/network/netlink.h"

namespace vx::network {
namespace {

absl::StatusOr<uint32_t> IndexOf(const std::string& bridge) {
  const uint32_t index = if_nametoindex(bridge.c_str());
  if (index != 0) return index;
  return Error(absl::StatusCode::kFailedPrecondition, "NO_BRIDGE",
               absl::StrCat("there is no bridge \"", bridge, "\""));
}

// The end that the workload has. It can't be up before its other end is there.
void PutPeer(NetlinkMessage& message, const PortConfig& port, const Mac& mac, int netns) {
  nlattr* info = message.Begin(IFLA_LINKINFO);
  message.PutText(IFLA_INFO_KIND, "veth");
  nlattr* data = message.Begin(IFLA_INFO_DATA);
  nlattr* peer = message.Begin(VETH_INFO_PEER);
  message.Append(ifinfomsg{});
  message.PutText(IFLA_IFNAME, port.guest_link);
  message.Put(IFLA_ADDRESS, mac.data(), mac.size());
  message.Put32(IFLA_MTU, static_cast<uint32_t>(port.mtu));
  message.Put32(IFLA_NET_NS_FD, static_cast<uint32_t>(netns));
  message.End(peer).End(data).End(info);
}

NetlinkMessage VethMessage(const PortConfig& port, const Mac& mac, uint32_t bridge, int netns) {
  NetlinkMessage message = LinkMessage(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, port.host_link);
  message.Put32(IFLA_MASTER, bridge).Put32(IFLA_MTU, static_cast<uint32_t>(port.mtu));
  PutPeer(message, port, mac, netns);
  return message;
}

// How the bridge treats a port that it has.
NetlinkMessage BridgePortMessage(const std::string& link, const PortConfig& port) {
  NetlinkMessage message = LinkMessage(RTM_NEWLINK, 0, link);
  PutNoLinkLocal(message);
  nlattr* info = message.Begin(IFLA_LINKINFO);
  message.PutText(IFLA_INFO_SLAVE_KIND, "bridge");
  nlattr* data = message.Begin(IFLA_INFO_SLAVE_DATA);
  message.Put8(IFLA_BRPORT_MODE, port.hairpin).Put8(IFLA_BRPORT_ISOLATED, port.isolated);
  message.End(data).End(info);
  return message;
}

absl::Status MakeVeth(const PortConfig& port, const Mac& mac, uint32_t bridge, int netns) {
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  const NetlinkMessage messages[] = {VethMessage(port, mac, bridge, netns),
                                     BridgePortMessage(port.host_link, port),
                                     LinkMessage(RTM_NEWLINK, 0, port.host_link, true)};
  return netlink.Do(messages, absl::StrCat("make link ", port.host_link));
}

absl::StatusOr<int> IndexInside(Netlink& inside, const std::string& name) {
  rtnl_link* link = nullptr;
  const int error = rtnl_link_get_kernel(inside.get(), 0, name.c_str(), &link);
  if (error != 0) {
    return Error(absl::StatusCode::kInternal, "NETLINK_FAILED",
                 absl::StrCat("look at link ", name, " of a workload: ", nl_geterror(error)));
  }
  const int index = rtnl_link_get_ifindex(link);
  rtnl_link_put(link);
  return index;
}

absl::Status AddGateways(Netlink& inside, int link, const PortConfig& port) {
  for (const Address& gateway : port.gateways) {
    VX_RETURN_IF_ERROR(
        inside.Do(DefaultRouteMessage(link, gateway),
                  absl::StrCat("make ", ToString(gateway), " the gateway of ", port.host_link)));
  }
  return absl::OkStatus();
}

absl::Status Configure(const PortConfig& port, int netns) {
  VX_ASSIGN_OR_RETURN(Netlink inside, Netlink::OpenIn(netns));
  VX_ASSIGN_OR_RETURN(const int link, IndexInside(inside, port.guest_link));
  VX_RETURN_IF_ERROR(inside.Do(LinkMessage(RTM_NEWLINK, 0, port.guest_link, true),
                               absl::StrCat("bring up the inside of ", port.host_link)));
  for (const Prefix& prefix : port.addresses) {
    VX_RETURN_IF_ERROR(inside.Do(AddressMessage(RTM_NEWADDR, NLM_F_CREATE, link, prefix),
                                 absl::StrCat("give ", ToString(prefix), " to ", port.host_link)));
  }
  return AddGateways(inside, link, port);
}

}  // namespace

absl::Status SetGateways(const PortConfig& port, int netns) {
  VX_ASSIGN_OR_RETURN(Netlink inside, Netlink::OpenIn(netns));
  VX_ASSIGN_OR_RETURN(const int link, IndexInside(inside, port.guest_link));
  return AddGateways(inside, link, port);
}

absl::Status PlugNetns(const std::string& bridge, const PortConfig& port, int netns) {
  VX_RETURN_IF_ERROR(CheckLinkName(port.host_link));
  VX_RETURN_IF_ERROR(CheckLinkName(port.guest_link));
  VX_ASSIGN_OR_RETURN(const Mac mac, ParseMac(port.mac));
  VX_ASSIGN_OR_RETURN(const uint32_t index, IndexOf(bridge));
  VX_RETURN_IF_ERROR(RemoveLink(port.host_link));
  absl::Cleanup undo = [&] { RemoveLink(port.host_link).IgnoreError(); };
  VX_RETURN_IF_ERROR(MakeVeth(port, mac, index, netns));
  VX_RETURN_IF_ERROR(Configure(port, netns));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::Status PlugTap(const std::string& bridge, const PortConfig& port, const std::string& tap) {
  VX_RETURN_IF_ERROR(CheckLinkName(tap));
  VX_ASSIGN_OR_RETURN(const uint32_t index, IndexOf(bridge));
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  NetlinkMessage join = LinkMessage(RTM_NEWLINK, 0, tap);
  join.Put32(IFLA_MASTER, index).Put32(IFLA_MTU, static_cast<uint32_t>(port.mtu));
  const NetlinkMessage messages[] = {std::move(join), BridgePortMessage(tap, port),
                                     LinkMessage(RTM_NEWLINK, 0, tap, true)};
  return netlink.Do(messages, absl::StrCat("plug ", tap, " into ", bridge));
}

absl::Status UnplugTap(const std::string& tap) {
  if (!LinkExists(tap)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  NetlinkMessage leave = LinkMessage(RTM_NEWLINK, 0, tap);
  leave.Put32(IFLA_MASTER, 0);
  return netlink.Do(leave, absl::StrCat("unplug ", tap));
}

}  // namespace vx::network
