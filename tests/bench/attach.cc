// What it takes to give a container its network: the firewall's elements and the veth, 100
// times, in network namespaces of its own; one line of JSON, in milliseconds.
//
// usage: bench_attach [ROUNDS]
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "daemon/network/firewall.h"
#include "daemon/network/links.h"
#include "tests/unit/daemon/network/namespaces.h"

namespace vx::network {
namespace {

using Clock = std::chrono::steady_clock;

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << "bench_attach: " << status << std::endl;
  exit(1);
}

// Runs `what`, and notes how long it took.
template <typename What>
void Measure(std::vector<double>* times, const What& what) {
  const auto begin = Clock::now();
  Must(what());
  times->push_back(std::chrono::duration<double, std::milli>(Clock::now() - begin).count());
}

std::string Median(const std::string& name, std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return absl::StrFormat("\"%s_median\": %.3f, \"%s_p99\": %.3f", name, times[times.size() / 2],
                         name, times[(times.size() - 1) * 99 / 100]);
}

struct Round {
  FirewallPort guard;
  PortConfig port;
};

Round RoundOf(int i) {
  const Address v4 = Nth(P("10.20.0.0/16"), i + 2), v6 = Nth(P("fd00:20::/64"), i + 2);
  const std::string link = absl::StrCat("vxp", i);
  const std::string mac = absl::StrFormat("02:00:00:00:%02x:%02x", i >> 8, i & 0xff);
  return {{.link = link, .mac = mac, .addresses = {v4, v6}},
          {.host_link = link,
           .guest_link = "eth0",
           .mac = mac,
           .addresses = {{v4, 16}, {v6, 64}},
           .gateways = {A("10.20.0.1"), A("fd00:20::1")}}};
}

void Run(int rounds) {
  Firewall firewall("bench");
  Must(EnsureBridge({.name = "vxb", .addresses = {P("10.20.0.1/16"), P("fd00:20::1/64")}}));
  FirewallConfig config{.networks = {{.bridge = "vxb",
                                      .prefixes = {P("10.20.0.0/16"), P("fd00:20::/64")},
                                      .gateways = {A("10.20.0.1"), A("fd00:20::1")}}}};
  Must(firewall.Apply(config));
  std::vector<double> guard, plug, forget, apply;
  std::vector<std::unique_ptr<Namespace>> workloads;
  for (int i = 0; i < rounds; ++i) {
    const Round round = RoundOf(i);
    workloads.push_back(std::make_unique<Namespace>());
    Measure(&guard, [&] { return firewall.AddPort(round.guard); });
    Measure(&plug, [&] { return PlugNetns("vxb", round.port, workloads.back()->fd()); });
    config.ports.push_back(round.guard);
  }
  for (int i = 0; i < 10; ++i) Measure(&apply, [&] { return firewall.Apply(config); });
  for (const FirewallPort& port : config.ports) {
    Measure(&forget, [&] { return firewall.RemovePort(port); });
  }
  std::cout << "{" << Median("add_port", guard) << ", " << Median("plug_netns", plug) << ", "
            << Median("remove_port", forget) << ", " << Median("apply_all", apply) << "}\n";
}

}  // namespace
}  // namespace vx::network

int main(int argc, char** argv) {
  if (!vx::network::EnterFreshNamespace()) {
    std::cerr << "bench_attach: a network namespace takes root\n";
    return 1;
  }
  vx::network::Run(std::max(1, argc > 1 ? atoi(argv[1]) : 100));
}
