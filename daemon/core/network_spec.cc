// What a workload may say of networks and ports.
#include <algorithm>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "daemon/core/networks.h"
#include "daemon/core/validation.h"
#include "daemon/network/address.h"
#include "daemon/network/ipam.h"

namespace vx::core {
namespace {

using Violations = std::vector<FieldViolation>;

constexpr int kMostPort = 65535;
constexpr int kMostNetworks = 16;
constexpr int64_t kLeastRate = 1024;
// The kernel counts rate and burst in nanoseconds of 64 bits (nft_limit).
constexpr int64_t kMostRate = int64_t{1} << 33;
constexpr char kWithout[] = "goes with a network: give --network NAME";

void CheckNames(const v1::Workload& workload, Violations& out) {
  const v1::WorkloadSpec& spec = workload.spec();
  std::set<std::string> seen;
  for (const std::string& name : spec.networks()) {
    const bool word = name == kNoNetwork || name == kHostNetwork;
    if (word && spec.networks_size() > 1) {
      out.push_back({"spec.networks", absl::StrCat("\"", name, "\" goes with no other network")});
    }
    if (!word && !IsName(name)) {
      out.push_back({"spec.networks", absl::StrCat("\"", name, "\" is no network's name")});
    }
    if (!seen.insert(name).second) {
      out.push_back({"spec.networks", absl::StrCat("\"", name, "\" is there twice")});
    }
  }
  if (spec.networks_size() > kMostNetworks) {
    out.push_back({"spec.networks", absl::StrCat("more than ", kMostNetworks, " networks")});
  }
}

void CheckAddresses(const v1::WorkloadSpec& spec, Violations& out) {
  for (const std::string& address : spec.addresses()) {
    if (network::ParseAddress(address).ok()) continue;
    out.push_back({"spec.addresses", absl::StrCat("\"", address, "\" is no IP address")});
  }
  for (const std::string& server : spec.dns()) {
    if (network::ParseAddress(server).ok()) continue;
    out.push_back({"spec.dns", absl::StrCat("\"", server, "\" is no IP address")});
  }
  if (!spec.mac().empty() && !network::CheckMac(spec.mac()).ok()) {
    out.push_back({"spec.mac", absl::StrCat("\"", spec.mac(),
                                            "\" is no hardware address of one host: write e.g. "
                                            "52:54:00:12:34:56")});
  }
  for (const std::string& alias : spec.aliases()) {
    if (IsName(alias)) continue;
    out.push_back({"spec.aliases", absl::StrCat("\"", alias, "\" is no name")});
  }
}

// Of one end, in a sentence; empty: it is fine.
std::string WrongPort(int port, int count) {
  if (port < 1 || port > kMostPort) return absl::StrCat(port, " is not between 1 and 65535");
  if (port + count - 1 <= kMostPort) return "";
  return absl::StrCat(count, " ports from ", port, " on end above 65535");
}

void CheckPorts(const v1::WorkloadSpec& spec, Violations& out) {
  for (int i = 0; i < spec.ports_size(); ++i) {
    const v1::PortMapping& port = spec.ports(i);
    const int count = std::max(1, port.count());
    for (int end : {port.host_port(), port.guest_port()}) {
      if (std::string wrong = WrongPort(end, count); !wrong.empty()) {
        out.push_back({"spec.ports", wrong});
      }
    }
    if (!port.host_ip().empty() && !network::ParseAddress(port.host_ip()).ok()) {
      out.push_back({"spec.ports", absl::StrCat("\"", port.host_ip(), "\" is no IP address")});
    }
    if (!port.protocol().empty() && port.protocol() != "tcp" && port.protocol() != "udp") {
      out.push_back({"spec.ports", absl::StrCat("\"", port.protocol(), "\" is neither tcp nor udp")});
    }
    for (int j = 0; j < i; ++j) {
      if (!PortsMeet(port, spec.ports(j))) continue;
      out.push_back({"spec.ports", absl::StrCat("host port ", port.host_port(), " is there twice")});
    }
  }
}

}  // namespace

void CheckNetworking(const v1::Workload& workload, Violations& out) {
  const v1::WorkloadSpec& spec = workload.spec();
  CheckNames(workload, out);
  CheckAddresses(spec, out);
  CheckPorts(spec, out);
  const v1::Resources& limits = spec.resources();
  const std::pair<const char*, std::optional<int64_t>> rates[] = {
      {"spec.resources.network_receive_bytes",
       limits.has_network_receive_bytes() ? std::optional(limits.network_receive_bytes())
                                          : std::nullopt},
      {"spec.resources.network_send_bytes", limits.has_network_send_bytes()
                                                ? std::optional(limits.network_send_bytes())
                                                : std::nullopt}};
  for (const auto& [field, rate] : rates) {
    // 0 lifts it.
    if (!rate || *rate == 0) continue;
    if (*rate < kLeastRate || *rate > kMostRate) {
      out.push_back({field, absl::StrCat(*rate, " bytes a second is not between ", kLeastRate,
                                         " and ", kMostRate, ", nor 0 for no limit")});
    }
    if (!HasNetworks(spec)) out.push_back({field, kWithout});
  }
  if (HasNetworks(spec)) return;
  if (spec.ports_size() > 0) out.push_back({"spec.ports", kWithout});
  if (spec.addresses_size() > 0) out.push_back({"spec.addresses", kWithout});
  if (!spec.mac().empty()) out.push_back({"spec.mac", kWithout});
  if (spec.aliases_size() > 0) out.push_back({"spec.aliases", kWithout});
}

}  // namespace vx::core
