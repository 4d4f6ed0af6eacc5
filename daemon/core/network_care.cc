// What goes wrong with networks without anybody asking: name servers that end, and rules of
// others that are in the way.
#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/subprocess.h"
#include "daemon/core/networks.h"
#include "daemon/network/foreign_rules.h"

namespace vx::core {
namespace {

// One that lives no longer is not started again by itself: it would be so for ever.
constexpr absl::Duration kShortLife = absl::Seconds(1);

v1::Check MakeCheck(const char* name, v1::CheckResult result, std::string message,
                    std::string hint = "") {
  v1::Check check;
  check.set_name(name);
  check.set_result(result);
  check.set_message(std::move(message));
  check.set_hint(std::move(hint));
  return check;
}

v1::Check CheckProgram(const char* program, const char* what, const char* package) {
  if (!FindProgram(program).empty()) {
    return MakeCheck(program, v1::CHECK_RESULT_OK, absl::StrCat(program, " is installed"));
  }
  return MakeCheck(program, v1::CHECK_RESULT_WARNING,
                   absl::StrCat(program, " is not installed: ", what),
                   absl::StrCat("apt install ", package, "; until then: --network none"));
}

}  // namespace

void Networks::WatchServer(const v1::Network& network) {
  if (watched_.contains(network.uid())) return;
  UniqueFd process = ServerOf(network).OpenProcess();
  if (!process.valid()) return;
  auto watch = watcher_.Add(std::move(process), [this, network, since = absl::Now()] {
    OnServerEnd(network, since);
    return false;
  });
  if (watch.ok()) watched_.insert(network.uid());
}

void Networks::OnServerEnd(const v1::Network& network, absl::Time since) {
  absl::MutexLock lock(&mutex_);
  watched_.erase(network.uid());
  if (!there_.contains(network.uid())) return;
  const bool again = absl::Now() - since > kShortLife;
  spdlog::warn("network={}: its name server has ended{}", network.name(),
               again ? " and is started again" : " at once, and is left so until it is needed");
  if (!again) return;
  if (absl::Status status = ServerOf(network).Ensure(); !status.ok()) {
    spdlog::error("network={}: {}", network.name(), status.ToString());
  }
  WatchServer(network);
}

std::vector<v1::Check> Networks::Doctor() const {
  std::vector<v1::Check> checks = {
      CheckProgram("nft", "networks can't be had", "nftables"),
      CheckProgram("dnsmasq", "networks have no names and no DHCP", "dnsmasq-base")};
  auto networks = store_.Read().ListNetworks();
  if (!networks.ok()) return checks;
  bool clear = true;
  for (const v1::Network& network : *networks) {
    if (network.spec().internal() || !network.spec().host_bridge().empty()) continue;
    auto drops = network::ForeignDropsOf(absl::StrCat("vx-", options_.instance_id),
                                         network.status().bridge());
    if (!drops.ok()) continue;
    for (const network::ForeignDrop& drop : *drops) {
      clear = false;
      checks.push_back(MakeCheck("firewall", v1::CHECK_RESULT_WARNING,
                                 absl::StrCat("the rules of ", drop.chain,
                                              " drop what is forwarded for network ",
                                              network.name()),
                                 drop.remedy));
    }
  }
  if (clear) {
    checks.push_back(MakeCheck("firewall", v1::CHECK_RESULT_OK,
                               "no rules of others drop what is forwarded for networks"));
  }
  return checks;
}

}  // namespace vx::core
