#include "daemon/network/firewall.h"

#include <linux/netlink.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/ruleset.h"
#include "daemon/network/set_elements.h"

namespace vx::network {
namespace {

absl::Status NoNftables(absl::string_view why) {
  return Error(absl::StatusCode::kUnavailable, "NO_NFTABLES",
               absl::StrCat("the host's firewall can't be set: ", why),
               "apt-get install nftables; the kernel needs nf_tables with nat, fib and bridge");
}

// What nft complains of first; the lines behind it show where.
std::string FirstLine(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  return std::string(text.substr(0, text.find('\n')));
}

absl::Status RunNft(const std::string& text) {
  const auto result = RunCommandWithInput({"nft", "-f", "-"}, text);
  if (absl::IsNotFound(result.status())) return NoNftables("nft is not installed");
  VX_RETURN_IF_ERROR(result.status());
  return result->exit_code == 0 ? absl::OkStatus() : NoNftables(FirstLine(result->err));
}

absl::Status Check(const PublishedPort& port) {
  const int last = std::max(port.host_port, port.guest_port) + port.count - 1;
  if (port.host_port < 1 || port.guest_port < 1 || port.count < 1 || last > 65535) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_PORT",
                 absl::StrCat("ports ", port.host_port, " to ", port.guest_port, ", ", port.count,
                              " of them, are not between 1 and 65535"));
  }
  return port.host_ip.empty() ? absl::OkStatus() : ParseAddress(port.host_ip).status();
}

// The text is nft's language: nothing gets into it that could be read as another rule.
absl::Status Check(const FirewallConfig& config) {
  for (const FirewallNetwork& network : config.networks) {
    VX_RETURN_IF_ERROR(CheckLinkName(network.bridge));
  }
  for (const FirewallPort& port : config.ports) VX_RETURN_IF_ERROR(ElementsOf(port).status());
  for (const PublishedPort& port : config.published) VX_RETURN_IF_ERROR(Check(port));
  return absl::OkStatus();
}

std::string Removal(absl::string_view family, absl::string_view table) {
  return absl::StrCat("table ", family, " ", table, "\ndelete table ", family, " ", table, "\n");
}

}  // namespace

std::string Firewall::Ruleset(const FirewallConfig& config) const {
  return absl::StrCat(InetTable(table_, config), BridgeTable(table_, config));
}

absl::Status Firewall::Apply(const FirewallConfig& config) {
  VX_RETURN_IF_ERROR(Check(config));
  absl::MutexLock lock(&mutex_);
  return RunNft(Ruleset(config));
}

absl::StatusOr<Netlink*> Firewall::Elements() {
  if (!elements_.has_value()) {
    VX_ASSIGN_OR_RETURN(elements_, Netlink::Open(NETLINK_NETFILTER));
  }
  return &*elements_;
}

absl::Status Firewall::AddPort(const FirewallPort& port) {
  VX_ASSIGN_OR_RETURN(const auto elements, ElementsOf(port));
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Netlink * netlink, Elements());
  return Annotate(AddElements(*netlink, table_, elements), absl::StrCat("guard port ", port.link));
}

absl::Status Firewall::RemovePort(const FirewallPort& port) {
  VX_ASSIGN_OR_RETURN(const auto elements, ElementsOf(port));
  absl::MutexLock lock(&mutex_);
  VX_ASSIGN_OR_RETURN(Netlink * netlink, Elements());
  return Annotate(RemoveElements(*netlink, table_, elements), absl::StrCat("forget port ", port.link));
}

absl::Status Firewall::Remove() {
  absl::MutexLock lock(&mutex_);
  return RunNft(Removal("inet", table_) + Removal("bridge", table_));
}

}  // namespace vx::network
