// Parts of rtnetlink(7) messages that bridge and port share.
#pragma once

#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include <string>

#include "absl/status/status.h"
#include "daemon/network/address.h"
#include "daemon/network/links.h"
#include "daemon/network/netlink.h"

namespace vx::network {

// RTM_NEWLINK or RTM_DELLINK about the link of that name; `up` brings it up.
NetlinkMessage LinkMessage(int type, int flags, const std::string& name, bool up = false);
// No link-local IPv6 address comes by itself.
void PutNoLinkLocal(NetlinkMessage& message);
// RTM_NEWADDR or RTM_DELADDR: usable at once, without a look for duplicates.
NetlinkMessage AddressMessage(int type, int flags, int link, const Prefix& prefix);
// The default route through `gateway`.
NetlinkMessage DefaultRouteMessage(int link, const Address& gateway);

// INVALID_ARGUMENT (BAD_LINK_NAME) for what the kernel would cut or refuse.
absl::Status CheckLinkName(const std::string& name);

}  // namespace vx::network
