#include "daemon/network/links.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/cache.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/netlink.h"
#include "daemon/network/nl_address.h"

namespace vx::network {
namespace {

using Cache = std::unique_ptr<nl_cache, decltype(&nl_cache_free)>;
using Allocate = std::function<int(nl_sock*, nl_cache**)>;

absl::StatusOr<Cache> ReadCache(absl::string_view what, const Allocate& allocate) {
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  nl_cache* cache = nullptr;
  const int error = allocate(netlink.get(), &cache);
  if (error == 0) return Cache(cache, nl_cache_free);
  return Error(absl::StatusCode::kInternal, "NETLINK_FAILED",
               absl::StrCat("list ", what, ": ", nl_geterror(error)));
}

void ForEach(const Cache& cache, const std::function<void(nl_object*)>& use) {
  for (nl_object* o = nl_cache_get_first(cache.get()); o != nullptr; o = nl_cache_get_next(o)) {
    use(o);
  }
}

// Nothing that a network of ours could get in the way of.
bool Uninteresting(const Prefix& prefix) {
  if (prefix.length == 0) return true;
  const uint8_t* b = prefix.address.bytes.data();
  if (!prefix.address.v6) return b[0] == 127 || b[0] >= 224 || (b[0] == 169 && b[1] == 254);
  static const Address kLoopback = *ParseAddress("::1");
  return b[0] == 0xff || (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || prefix.address == kLoopback;
}

void Collect(nl_addr* address, std::vector<Prefix>* prefixes) {
  const auto prefix = PrefixOf(address);
  if (prefix.has_value() && !Uninteresting(*prefix)) prefixes->push_back(NetworkOf(*prefix));
}

// Addresses of the host and of broadcasts have routes too, one for each.
bool LeadsElsewhere(rtnl_route* route) {
  const int type = rtnl_route_get_type(route);
  return rtnl_route_get_table(route) != RT_TABLE_LOCAL && type != RTN_LOCAL &&
         type != RTN_BROADCAST && type != RTN_ANYCAST && type != RTN_MULTICAST;
}

}  // namespace

absl::Status RemoveLink(const std::string& name) {
  if (!LinkExists(name)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(Netlink netlink, Netlink::Open(NETLINK_ROUTE));
  const absl::Status status =
      netlink.Do(LinkMessage(RTM_DELLINK, 0, name), absl::StrCat("remove link ", name));
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

bool LinkExists(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

absl::StatusOr<std::vector<Prefix>> HostRoutes() {
  VX_ASSIGN_OR_RETURN(const Cache routes, ReadCache("routes", [](nl_sock* socket, nl_cache** cache) {
                        return rtnl_route_alloc_cache(socket, AF_UNSPEC, 0, cache);
                      }));
  VX_ASSIGN_OR_RETURN(const Cache addresses, ReadCache("addresses", rtnl_addr_alloc_cache));
  std::vector<Prefix> prefixes;
  ForEach(routes, [&](nl_object* object) {
    auto* route = reinterpret_cast<rtnl_route*>(object);
    if (LeadsElsewhere(route)) Collect(rtnl_route_get_dst(route), &prefixes);
  });
  ForEach(addresses, [&](nl_object* object) {
    Collect(rtnl_addr_get_local(reinterpret_cast<rtnl_addr*>(object)), &prefixes);
  });
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  return prefixes;
}

absl::StatusOr<std::vector<std::string>> LinksNamed(const std::string& beginning) {
  VX_ASSIGN_OR_RETURN(const Cache links, ReadCache("links", [](nl_sock* socket, nl_cache** cache) {
                        return rtnl_link_alloc_cache(socket, AF_UNSPEC, cache);
                      }));
  std::vector<std::string> names;
  ForEach(links, [&](nl_object* object) {
    const std::string name = rtnl_link_get_name(reinterpret_cast<rtnl_link*>(object));
    if (absl::StartsWith(name, beginning)) names.push_back(name);
  });
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace vx::network
