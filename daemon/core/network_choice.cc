// What a network is made of where its user left it open.
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/networks.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/validation.h"
#include "daemon/network/ipam.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/links.h"

namespace vx::core {
namespace {

using network::Address;
using network::Prefix;

constexpr int kUidDigits = 32;
constexpr int kSubnetLength = 24, kShortest = 8, kLongest = 29, kV6Length = 64;
constexpr int kUsualMtu = 1500, kLeastMtu = 1280, kMostMtu = 9000;
constexpr char kNoV6[] = "none";

// Prefixes that are not to be had: of the host, and of other networks.
absl::StatusOr<std::vector<Prefix>> Taken(const store::View& view) {
  VX_ASSIGN_OR_RETURN(std::vector<Prefix> taken, network::HostRoutes());
  VX_ASSIGN_OR_RETURN(std::vector<v1::Network> others, view.ListNetworks());
  for (const v1::Network& other : others) {
    for (const std::string& text : {other.spec().subnet(), other.spec().ipv6_subnet()}) {
      if (auto prefix = network::ParsePrefix(text); prefix.ok()) taken.push_back(*prefix);
    }
  }
  return taken;
}

absl::Status CheckFree(const Prefix& wanted, const std::vector<Prefix>& taken) {
  for (const Prefix& other : taken) {
    if (!network::Overlap(wanted, other)) continue;
    return Error(absl::StatusCode::kInvalidArgument, "SUBNET_TAKEN",
                 absl::StrCat(network::ToString(wanted), " overlaps ", network::ToString(other),
                              ", which the host or another network has"),
                 "choose another --subnet, or leave it out: a free one is found");
  }
  return absl::OkStatus();
}

absl::Status ChooseV4(v1::NetworkSpec& spec, const std::string& pool_text,
                      const std::vector<Prefix>& taken) {
  Prefix subnet;
  if (spec.subnet().empty()) {
    VX_ASSIGN_OR_RETURN(Prefix pool, network::ParsePrefix(pool_text));
    VX_ASSIGN_OR_RETURN(subnet, network::FreeSubnet(pool, kSubnetLength, taken));
  } else {
    VX_ASSIGN_OR_RETURN(subnet, network::ParsePrefix(spec.subnet()));
    VX_RETURN_IF_ERROR(CheckFree(subnet, taken));
  }
  spec.set_subnet(network::ToString(subnet));
  if (spec.gateway().empty()) spec.set_gateway(network::ToString(network::Nth(subnet, 1)));
  return absl::OkStatus();
}

absl::Status ChooseV6(v1::NetworkSpec& spec, const NetworkOptions& options,
                      const std::vector<Prefix>& taken) {
  if (spec.ipv6_subnet() == kNoV6) return absl::OkStatus();
  if (!spec.ipv6_subnet().empty()) {
    VX_ASSIGN_OR_RETURN(Prefix subnet, network::ParsePrefix(spec.ipv6_subnet()));
    return CheckFree(subnet, taken);
  }
  if (!options.ipv6_pool.empty()) {
    VX_ASSIGN_OR_RETURN(Prefix pool, network::ParsePrefix(options.ipv6_pool));
    VX_ASSIGN_OR_RETURN(Prefix subnet, network::FreeSubnet(pool, kV6Length, taken));
    spec.set_ipv6_subnet(network::ToString(subnet));
    return absl::OkStatus();
  }
  for (uint32_t index = 0; index <= 0xffff; ++index) {
    const Prefix subnet = network::UniqueLocal(options.instance_id, static_cast<uint16_t>(index));
    if (!CheckFree(subnet, taken).ok()) continue;
    spec.set_ipv6_subnet(network::ToString(subnet));
    break;
  }
  return absl::OkStatus();
}

void CheckSubnet(const v1::NetworkSpec& spec, std::vector<FieldViolation>& out) {
  if (spec.subnet().empty()) {
    if (!spec.gateway().empty()) out.push_back({"spec.gateway", "goes with a subnet only"});
    return;
  }
  auto subnet = network::ParsePrefix(spec.subnet());
  if (!subnet.ok() || subnet->address.v6 || subnet->length < kShortest ||
      subnet->length > kLongest || network::NetworkOf(*subnet) != *subnet) {
    out.push_back({"spec.subnet", absl::StrCat("\"", spec.subnet(),
                                               "\" is no IPv4 subnet of /8 to /29: write e.g. "
                                               "10.20.0.0/24")});
    return;
  }
  // RFC 6890: of this host, link-local, multicast and reserved.
  for (const char* text : {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"}) {
    if (!network::Overlap(*network::ParsePrefix(text), *subnet)) continue;
    out.push_back({"spec.subnet", absl::StrCat(spec.subnet(), " is no subnet for hosts: use one of "
                                               "10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")});
    return;
  }
  if (spec.gateway().empty()) return;
  auto gateway = network::ParseAddress(spec.gateway());
  if (!gateway.ok() || !network::Contains(*subnet, *gateway)) {
    out.push_back({"spec.gateway", absl::StrCat("\"", spec.gateway(), "\" is no address of ",
                                                spec.subnet())});
  }
}

void CheckV6Subnet(const v1::NetworkSpec& spec, std::vector<FieldViolation>& out) {
  if (spec.ipv6_subnet().empty() || spec.ipv6_subnet() == kNoV6) return;
  auto subnet = network::ParsePrefix(spec.ipv6_subnet());
  if (subnet.ok() && subnet->address.v6 && subnet->length == kV6Length &&
      network::NetworkOf(*subnet) == *subnet) {
    return;
  }
  out.push_back({"spec.ipv6_subnet", absl::StrCat("\"", spec.ipv6_subnet(),
                                                  "\" is no IPv6 /64, nor \"none\"")});
}

// What is served there is somebody else's.
void CheckHostBridge(const v1::NetworkSpec& spec, std::vector<FieldViolation>& out) {
  if (spec.host_bridge().empty()) return;
  if (!network::CheckLinkName(spec.host_bridge()).ok()) {
    out.push_back({"spec.host_bridge", absl::StrCat("\"", spec.host_bridge(),
                                                    "\" is no link's name")});
  }
  const char* const own = "goes with networks of vx's own, not with a bridge of the host";
  if (!spec.subnet().empty()) out.push_back({"spec.subnet", own});
  if (!spec.gateway().empty()) out.push_back({"spec.gateway", own});
  if (!spec.ipv6_subnet().empty()) out.push_back({"spec.ipv6_subnet", own});
  if (spec.internal()) out.push_back({"spec.internal", own});
  if (spec.isolated()) out.push_back({"spec.isolated", own});
}

}  // namespace

std::vector<FieldViolation> ValidateNetwork(const v1::Network& network) {
  std::vector<FieldViolation> out;
  const std::string& name = network.name();
  if (!IsName(name) || name == kNoNetwork || name == kHostNetwork) {
    out.push_back({"name", absl::StrCat("\"", name,
                                        "\" is no network's name: use 1 to 63 of a-z, 0-9 and -, "
                                        "with a letter or digit at both ends; none and host are "
                                        "taken")});
  }
  const v1::NetworkSpec& spec = network.spec();
  CheckSubnet(spec, out);
  CheckV6Subnet(spec, out);
  if (spec.mtu() != 0 && (spec.mtu() < kLeastMtu || spec.mtu() > kMostMtu)) {
    out.push_back({"spec.mtu", absl::StrCat(spec.mtu(), " is not between ", kLeastMtu, " and ",
                                            kMostMtu)});
  }
  CheckHostBridge(spec, out);
  std::map<std::string, std::string> labels(network.labels().begin(), network.labels().end());
  for (auto& violation : ValidateLabels(labels)) out.push_back(std::move(violation));
  return out;
}

std::string Networks::BridgeName(const v1::Network& network) const {
  if (network.name() == kDefaultNetwork && !options_.bridge.empty()) return options_.bridge;
  return absl::StrCat("vx", options_.instance_id, "b", network.uid().substr(0, 4));
}

absl::StatusOr<v1::Network> Networks::Complete(store::View& view,
                                               const v1::Network& wanted) const {
  v1::Network network;
  network.set_name(wanted.name());
  network.set_uid(RandomHex(kUidDigits));
  *network.mutable_labels() = wanted.labels();
  *network.mutable_spec() = wanted.spec();
  v1::NetworkSpec& spec = *network.mutable_spec();
  *network.mutable_create_time() = ToProto(absl::Now());
  if (spec.mtu() == 0) spec.set_mtu(kUsualMtu);
  if (!spec.host_bridge().empty()) {
    VX_RETURN_IF_ERROR(network::CheckBridge(spec.host_bridge()));
    VX_ASSIGN_OR_RETURN(std::vector<v1::Network> others, view.ListNetworks());
    for (const v1::Network& other : others) {
      if (other.status().bridge() != spec.host_bridge()) continue;
      return Error(absl::StatusCode::kInvalidArgument, "BRIDGE_TAKEN",
                   absl::StrCat(spec.host_bridge(), " is network ", other.name(), "'s bridge"),
                   absl::StrCat("use that network: --network ", other.name()));
    }
    network.mutable_status()->set_bridge(spec.host_bridge());
    return network;
  }
  VX_ASSIGN_OR_RETURN(std::vector<Prefix> taken, Taken(view));
  VX_RETURN_IF_ERROR(ChooseV4(spec, options_.pool, taken));
  VX_RETURN_IF_ERROR(ChooseV6(spec, options_, taken));
  network.mutable_status()->set_bridge(BridgeName(network));
  return network;
}

}  // namespace vx::core
