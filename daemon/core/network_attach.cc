// What networks are on the host, and who is plugged in.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/network_families.h"
#include "daemon/core/networks.h"
#include "daemon/core/workloads.h"
#include "daemon/network/host_settings.h"
#include "daemon/network/links.h"
#include "daemon/network/port_proxy.h"

namespace vx::core {
namespace {

using network::Address;
using network::Prefix;

constexpr char kDomain[] = "vx";
constexpr char kLoopback6[] = "::1";

template <typename T, typename Texts, typename Parse>
std::vector<T> ParseAll(const Texts& texts, Parse parse) {
  std::vector<T> all;
  for (const std::string& text : texts) {
    if (auto one = parse(text); one.ok()) all.push_back(*one);
  }
  return all;
}

// The host's own addresses on the network.
std::vector<Prefix> GatewaysOf(const v1::Network& network) {
  std::vector<Prefix> gateways;
  for (const Family& family : FamiliesOf(network)) {
    gateways.push_back({family.gateway, family.prefix.length});
  }
  return gateways;
}

std::vector<Prefix> PrefixesOf(const v1::NetworkAttachment& attachment) {
  return ParseAll<Prefix>(attachment.addresses(), network::ParsePrefix);
}

std::vector<Address> AddressesOf(const v1::NetworkAttachment& attachment) {
  std::vector<Address> addresses;
  for (const Prefix& prefix : PrefixesOf(attachment)) addresses.push_back(prefix.address);
  return addresses;
}

network::FirewallNetwork ToRules(const v1::Network& network) {
  network::FirewallNetwork rules;
  rules.bridge = network.status().bridge();
  rules.internal = network.spec().internal();
  for (const Prefix& gateway : GatewaysOf(network)) {
    rules.prefixes.push_back(network::NetworkOf(gateway));
    rules.gateways.push_back(gateway.address);
  }
  return rules;
}

network::FirewallPort ToRules(const v1::NetworkAttachment& attachment) {
  return {attachment.host_link(), attachment.mac(), AddressesOf(attachment)};
}

void AddLimit(const v1::Resources& resources, const v1::NetworkAttachment& attachment,
              network::FirewallConfig& rules) {
  if (resources.network_receive_bytes() <= 0 && resources.network_send_bytes() <= 0) return;
  rules.limits.push_back({attachment.host_link(), resources.network_receive_bytes(),
                          resources.network_send_bytes()});
}

network::PortConfig ToPort(const v1::Network& network, const v1::NetworkAttachment& attachment) {
  network::PortConfig port;
  port.host_link = attachment.host_link();
  port.guest_link = attachment.guest_link();
  port.mac = attachment.mac();
  port.addresses = PrefixesOf(attachment);
  port.gateways = ParseAll<Address>(attachment.gateways(), network::ParseAddress);
  port.mtu = attachment.mtu();
  port.isolated = network.spec().isolated();
  port.hairpin = network.spec().host_bridge().empty();
  return port;
}

network::PublishedPort ToRules(const v1::PortMapping& mapping,
                               const v1::NetworkAttachment& attachment,
                               const std::string& bridge) {
  network::PublishedPort port;
  port.host_ip = mapping.host_ip();
  port.host_port = mapping.host_port();
  port.guest_port = mapping.guest_port();
  port.count = std::max(1, mapping.count());
  port.udp = mapping.protocol() == "udp";
  port.targets = AddressesOf(attachment);
  port.bridge = bridge;
  return port;
}

// Ports at [::1] are not the kernel's to translate.
std::vector<network::ProxiedPort> ProxiedPorts(const v1::Workload& workload) {
  std::vector<network::ProxiedPort> all;
  for (const v1::PortMapping& mapping : workload.spec().ports()) {
    const std::string& ip = mapping.host_ip();
    if (!ip.empty() && ip != "::" && ip != kLoopback6) continue;
    for (int i = 0; i < std::max(1, mapping.count()); ++i) {
      network::ProxiedPort port;
      port.udp = mapping.protocol() == "udp";
      port.host = *network::ParseAddress(kLoopback6);
      port.host_port = mapping.host_port() + i;
      port.guest_port = mapping.guest_port() + i;
      port.targets = AddressesOf(workload.status().networks(0));
      // The family of who asks comes first.
      std::reverse(port.targets.begin(), port.targets.end());
      all.push_back(std::move(port));
    }
  }
  return all;
}

bool IsHostBridge(const v1::Network& network) { return !network.spec().host_bridge().empty(); }

// Beyond what is said of its links alone.
bool NeedsRules(const v1::WorkloadSpec& spec) {
  return spec.ports_size() > 0 || spec.resources().network_receive_bytes() > 0 ||
         spec.resources().network_send_bytes() > 0;
}

absl::Status Plug(const v1::Network& network, const v1::NetworkAttachment& attachment,
                  const driver::Endpoint& endpoint) {
  const std::string& bridge = network.status().bridge();
  const network::PortConfig port = ToPort(network, attachment);
  if (endpoint.netns.valid()) return network::PlugNetns(bridge, port, endpoint.netns.get());
  // A driver that runs nothing real has no endpoint.
  return endpoint.tap.empty() ? absl::OkStatus() : network::PlugTap(bridge, port, port.host_link);
}

}  // namespace

network::NameServer& Networks::ServerOf(const v1::Network& network) {
  std::unique_ptr<network::NameServer>& server = servers_[network.uid()];
  if (server == nullptr) {
    network::NameServerConfig config;
    config.network = network.name();
    config.dir = absl::StrCat(options_.runtime_dir, "/networks/", network.uid());
    config.bridge = network.status().bridge();
    config.gateways = GatewaysOf(network);
    config.internal = network.spec().internal();
    config.upstream = options_.upstream;
    auto group = server_groups_.Make(network.uid());
    if (!group.ok()) spdlog::error("network={}: {}", network.name(), group.status().ToString());
    config.cgroup_procs = group.value_or("");
    server = std::make_unique<network::NameServer>(std::move(config));
  }
  return *server;
}

absl::Status Networks::Bring(const v1::Network& network) {
  if (IsHostBridge(network)) return network::CheckBridge(network.spec().host_bridge());
  if (there_.count(network.uid()) > 0) {
    VX_RETURN_IF_ERROR(ServerOf(network).Ensure());
    WatchServer(network);
    return absl::OkStatus();
  }
  network::BridgeConfig bridge;
  bridge.name = network.status().bridge();
  bridge.addresses = GatewaysOf(network);
  bridge.mtu = network.spec().mtu();
  VX_RETURN_IF_ERROR(network::EnsureBridge(bridge));
  VX_RETURN_IF_ERROR(ApplyRules());
  VX_RETURN_IF_ERROR(network::AllowLoopbackPublishing(bridge.name));
  const bool v6 = std::any_of(bridge.addresses.begin(), bridge.addresses.end(),
                              [](const Prefix& one) { return one.address.v6; });
  if (!network.spec().internal()) VX_RETURN_IF_ERROR(network::EnableForwarding(v6));
  VX_RETURN_IF_ERROR(ServerOf(network).Ensure());
  there_.insert(network.uid());
  WatchServer(network);
  return absl::OkStatus();
}

absl::Status Networks::TakeDown(const v1::Network& network) {
  if (IsHostBridge(network)) return absl::OkStatus();
  absl::MutexLock lock(&mutex_);
  there_.erase(network.uid());
  absl::Status down = ServerOf(network).Stop();
  down.Update(server_groups_.Remove(network.uid()));
  servers_.erase(network.uid());
  down.Update(network::RemoveLink(network.status().bridge()));
  down.Update(ApplyRules());
  return down;
}

// Of all networks, and of what runs on them.
absl::StatusOr<network::FirewallConfig> Networks::Rules(const std::string& without) const {
  network::FirewallConfig rules;
  std::map<std::string, std::string> bridges;
  store::View view = store_.Read();
  VX_ASSIGN_OR_RETURN(std::vector<v1::Network> networks, view.ListNetworks());
  for (const v1::Network& network : networks) {
    if (IsHostBridge(network)) continue;
    rules.networks.push_back(ToRules(network));
    bridges[network.name()] = network.status().bridge();
  }
  constexpr int kAll = 1 << 30;
  VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> active,
                      view.ListWorkloads(0, kAll, [&](const v1::Workload& workload) {
                        return IsActive(workload) && workload.uid() != without &&
                               workload.status().networks_size() > 0;
                      }));
  for (const v1::Workload& workload : active.rows) {
    for (const v1::NetworkAttachment& attachment : workload.status().networks()) {
      AddLimit(workload.spec().resources(), attachment, rules);
      if (bridges.contains(attachment.network())) rules.ports.push_back(ToRules(attachment));
    }
    const v1::NetworkAttachment& first = workload.status().networks(0);
    if (!bridges.contains(first.network())) continue;
    for (const v1::PortMapping& mapping : workload.spec().ports()) {
      rules.published.push_back(ToRules(mapping, first, bridges[first.network()]));
    }
  }
  return rules;
}

absl::Status Networks::SetNames(const v1::Workload& workload) {
  for (const v1::NetworkAttachment& attachment : workload.status().networks()) {
    VX_ASSIGN_OR_RETURN(v1::Network network, store_.Read().FindNetwork(attachment.network()));
    if (IsHostBridge(network)) continue;
    network::NameServerHost host;
    host.uid = workload.uid();
    host.mac = attachment.mac();
    host.addresses = AddressesOf(attachment);
    host.names = {workload.name(), absl::StrCat(workload.name(), ".", kDomain)};
    for (const std::string& alias : workload.spec().aliases()) host.names.push_back(alias);
    VX_RETURN_IF_ERROR(ServerOf(network).SetHost(host));
  }
  return absl::OkStatus();
}

absl::Status Networks::Attach(const v1::Workload& workload, const driver::Endpoint& endpoint) {
  if (workload.status().networks_size() == 0) return absl::OkStatus();
  absl::Cleanup undo = [&] { Detach(workload).IgnoreError(); };
  for (const v1::NetworkAttachment& attachment : workload.status().networks()) {
    VX_RETURN_IF_ERROR(PlugIn(attachment, endpoint));
  }
  absl::MutexLock lock(&mutex_);
  if (NeedsRules(workload.spec())) VX_RETURN_IF_ERROR(ApplyRules());
  VX_RETURN_IF_ERROR(SetNames(workload));
  std::move(undo).Cancel();
  return absl::OkStatus();
}

absl::Status Networks::PlugIn(const v1::NetworkAttachment& attachment,
                              const driver::Endpoint& endpoint) {
  VX_ASSIGN_OR_RETURN(v1::Network network, store_.Read().FindNetwork(attachment.network()));
  {
    absl::MutexLock lock(&mutex_);
    VX_RETURN_IF_ERROR(Bring(network));
  }
  if (!IsHostBridge(network)) VX_RETURN_IF_ERROR(firewall_.AddPort(ToRules(attachment)));
  return Plug(network, attachment, endpoint);
}

absl::Status Networks::AttachOne(const v1::Workload& workload,
                                 const v1::NetworkAttachment& attachment,
                                 const driver::Endpoint& endpoint) {
  VX_RETURN_IF_ERROR(PlugIn(attachment, endpoint));
  absl::MutexLock lock(&mutex_);
  if (NeedsRules(workload.spec())) VX_RETURN_IF_ERROR(ApplyRules());
  return SetNames(workload);
}

absl::Status Networks::ApplyRules(const std::string& without) {
  VX_ASSIGN_OR_RETURN(network::FirewallConfig rules, Rules(without));
  // Bridges of the host's alone need nothing of ours, but for limits.
  const bool needed = !rules.networks.empty() || !rules.limits.empty();
  return needed ? firewall_.Apply(rules) : firewall_.Remove();
}

absl::Status Networks::Forget(const v1::Workload& workload,
                              const v1::NetworkAttachment& attachment) {
  auto network = store_.Read().FindNetwork(attachment.network());
  if (!network.ok() || IsHostBridge(*network)) return absl::OkStatus();
  absl::Status forgotten = firewall_.RemovePort(ToRules(attachment));
  absl::MutexLock lock(&mutex_);
  forgotten.Update(ServerOf(*network).RemoveHost(workload.uid()));
  return forgotten;
}

absl::Status Networks::Detach(const v1::Workload& workload) {
  absl::Status detached;
  for (const v1::NetworkAttachment& attachment : workload.status().networks()) {
    detached.Update(Forget(workload, attachment));
  }
  if (workload.status().networks_size() == 0 || !NeedsRules(workload.spec())) return detached;
  if (!ProxiedPorts(workload).empty()) {
    detached.Update(network::EndPortProxy(ProxyName(workload)));
    detached.Update(server_groups_.Remove(workload.uid()));
  }
  absl::MutexLock lock(&mutex_);
  detached.Update(ApplyRules(workload.uid()));
  return detached;
}

absl::Status Networks::DetachOne(const v1::Workload& workload,
                                 const v1::NetworkAttachment& attachment) {
  // A tap goes with its card, which may stay.
  absl::Status detached = workload.kind() == v1::KIND_VM
                              ? network::UnplugTap(attachment.host_link())
                              : network::RemoveLink(attachment.host_link());
  detached.Update(Forget(workload, attachment));
  if (!NeedsRules(workload.spec())) return detached;
  absl::MutexLock lock(&mutex_);
  detached.Update(ApplyRules());
  return detached;
}

std::string Networks::ProxyName(const v1::Workload& workload) const {
  return absl::StrCat("vx-", options_.instance_id, "-", workload.uid());
}

absl::Status Networks::Republish() {
  absl::MutexLock lock(&mutex_);
  return ApplyRules();
}

absl::Status Networks::StartProxy(const v1::Workload& workload, int life) {
  network::PortProxyConfig proxy;
  proxy.program = absl::StrCat(options_.bin_dir, "/vx-proxy");
  proxy.name = ProxyName(workload);
  proxy.ports = ProxiedPorts(workload);
  proxy.life = life;
  if (!proxy.ports.empty()) {
    VX_ASSIGN_OR_RETURN(proxy.cgroup_procs, server_groups_.Make(workload.uid()));
  }
  return network::StartPortProxy(proxy);
}

absl::Status Networks::SetWayOut(const v1::NetworkAttachment& attachment, int netns) {
  VX_ASSIGN_OR_RETURN(v1::Network network, store_.Read().FindNetwork(attachment.network()));
  return network::SetGateways(ToPort(network, attachment), netns);
}

absl::Status Networks::Rename(const v1::Workload& workload) {
  absl::MutexLock lock(&mutex_);
  return SetNames(workload);
}

// What ended while nobody looked has its names no more, and what runs has them again after
// the folder was lost.
absl::Status Networks::ForgetEnded(const v1::Network& network) {
  if (IsHostBridge(network)) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(std::vector<std::string> uids, ServerOf(network).Hosts());
  for (const std::string& uid : uids) {
    auto workload = store_.Read().GetWorkload(uid);
    if (workload.ok() && IsActive(*workload)) continue;
    VX_RETURN_IF_ERROR(ServerOf(network).RemoveHost(uid));
  }
  VX_ASSIGN_OR_RETURN(std::vector<store::Member> members, store_.Read().MembersOf(network.uid()));
  for (const store::Member& member : members) {
    auto workload = store_.Read().GetWorkload(member.workload_uid);
    if (workload.ok() && IsActive(*workload)) VX_RETURN_IF_ERROR(SetNames(*workload));
  }
  return absl::OkStatus();
}

absl::Status Networks::Restore() {
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(std::vector<v1::Network> networks, store_.Read().ListNetworks());
  absl::Status restored;
  for (const v1::Network& network : networks) {
    absl::Status brought = Bring(network);
    if (brought.ok()) brought = ForgetEnded(network);
    if (!brought.ok()) spdlog::error("network={}: {}", network.name(), brought.ToString());
    restored.Update(brought);
  }
  return restored;
}

}  // namespace vx::core
