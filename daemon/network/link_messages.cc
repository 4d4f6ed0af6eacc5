#include "daemon/network/link_messages.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"

namespace vx::network {
namespace {

uint8_t Family(const Address& address) { return address.v6 ? AF_INET6 : AF_INET; }
size_t Size(const Address& address) { return address.v6 ? 16 : 4; }

void PutAddress(NetlinkMessage& message, int attribute, const Address& address) {
  message.Put(attribute, address.bytes.data(), Size(address));
}

Address BroadcastOf(const Prefix& prefix) {
  return Nth(prefix, (uint64_t{1} << (32 - prefix.length)) - 1);
}

}  // namespace

NetlinkMessage LinkMessage(int type, int flags, const std::string& name, bool up) {
  NetlinkMessage message(type, flags);
  const unsigned int up_flag = up ? IFF_UP : 0;
  message.Append(ifinfomsg{.ifi_family = AF_UNSPEC, .ifi_flags = up_flag, .ifi_change = up_flag});
  message.PutText(IFLA_IFNAME, name);
  return message;
}

void PutNoLinkLocal(NetlinkMessage& message) {
  nlattr* families = message.Begin(IFLA_AF_SPEC);
  nlattr* v6 = message.Begin(AF_INET6);
  message.Put8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
  message.End(v6).End(families);
}

NetlinkMessage AddressMessage(int type, int flags, int link, const Prefix& prefix) {
  NetlinkMessage message(type, flags);
  message.Append(ifaddrmsg{.ifa_family = Family(prefix.address),
                           .ifa_prefixlen = static_cast<uint8_t>(prefix.length),
                           .ifa_flags = IFA_F_NODAD,
                           .ifa_index = static_cast<unsigned>(link)});
  PutAddress(message, IFA_LOCAL, prefix.address);
  PutAddress(message, IFA_ADDRESS, prefix.address);
  if (!prefix.address.v6 && prefix.length < 31) {
    PutAddress(message, IFA_BROADCAST, BroadcastOf(prefix));
  }
  return message;
}

NetlinkMessage DefaultRouteMessage(int link, const Address& gateway) {
  NetlinkMessage message(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  message.Append(rtmsg{.rtm_family = Family(gateway),
                       .rtm_table = RT_TABLE_MAIN,
                       .rtm_protocol = RTPROT_STATIC,
                       .rtm_scope = RT_SCOPE_UNIVERSE,
                       .rtm_type = RTN_UNICAST});
  PutAddress(message, RTA_GATEWAY, gateway);
  message.Put32(RTA_OIF, static_cast<uint32_t>(link));
  return message;
}

absl::Status CheckLinkName(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
  const bool fits = !name.empty() && name.size() <= kMaxLinkName && name != "." && name != "..";
  if (plain && fits) return absl::OkStatus();
  return Error(absl::StatusCode::kInvalidArgument, "BAD_LINK_NAME",
               absl::StrCat("\"", name, "\" can't be a link's name"),
               "use 1 to 15 letters, digits, and - _ .");
}

}  // namespace vx::network
