#include "daemon/network/nl_address.h"

#include <netlink/addr.h>
#include <sys/socket.h>

#include <algorithm>

namespace vx::network {

std::optional<Prefix> PrefixOf(nl_addr* address) {
  if (address == nullptr) return std::nullopt;
  const int family = nl_addr_get_family(address);
  if (family != AF_INET && family != AF_INET6) return std::nullopt;
  Prefix prefix{{.v6 = family == AF_INET6}, static_cast<int>(nl_addr_get_prefixlen(address))};
  const auto* bytes = static_cast<const uint8_t*>(nl_addr_get_binary_addr(address));
  std::copy_n(bytes, nl_addr_get_len(address), prefix.address.bytes.begin());
  return prefix;
}

}  // namespace vx::network
