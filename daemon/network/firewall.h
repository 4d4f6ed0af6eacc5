// What the host lets through, as one nftables table of ours (family inet) and one for
// frames (family bridge), both named by the instance.
//
// The rules are made whole from what is wanted, and put in the kernel in one transaction: no
// packet sees half of them, a connection that is under way goes on (conntrack), and tables of
// others are neither read nor changed.
//
// What passes, of what comes from our bridges or goes there:
//   within a network      all, but from isolated ports to isolated ones
//   out                   all, from the host's address; nothing from an internal network
//   in                    replies, and what a published port leads to
//   to another network    replies, and what a published port leads to
//   to the host           names and DHCP at the gateways, pings, replies
// A port's frames must carry its mac, and its addresses as IP's, ARP's and neighbor
// discovery's; they are neither router advertisements nor DHCP answers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/network/address.h"
#include "daemon/network/netlink.h"

namespace vx::network {

// A port of the host that leads to a workload's.
struct PublishedPort {
  // Empty: every address of the host, of both families; "0.0.0.0", "::": of one. At "::1"
  // nothing is translated, not by an empty one either: that takes a proxy.
  std::string host_ip;
  int host_port = 0;
  int guest_port = 0;
  int count = 1;
  bool udp = false;
  // Where to, of one family or both.
  std::vector<Address> targets;
  // Of the network that the targets are on.
  std::string bridge;
};

struct FirewallNetwork {
  std::string bridge;
  std::vector<Prefix> prefixes;  // of the network
  std::vector<Address> gateways;  // the host on it
  bool internal = false;
  // What comes from the bridge may go to the host's DNS and DHCP ports at these gateways; to
  // nothing else of the host's.
};

// Frames from a port of a bridge must carry these.
struct FirewallPort {
  std::string link;
  std::string mac;
  std::vector<Address> addresses;
};

// What a port may take and give in a second, in bytes; 0: as much as it likes. What is more
// is dropped, so that senders slow down.
struct FirewallLimit {
  std::string link;
  int64_t receive_bytes = 0;
  int64_t send_bytes = 0;
};

struct FirewallConfig {
  std::vector<FirewallNetwork> networks;
  std::vector<FirewallPort> ports;
  std::vector<PublishedPort> published;
  std::vector<FirewallLimit> limits;
};

// Thread-safe; calls take turns.
class Firewall {
 public:
  // `instance` as in the state directory; part of the tables' names.
  explicit Firewall(const std::string& instance) : table_("vx-" + instance) {}

  // Makes the tables so. INVALID_ARGUMENT for a bad link's name, mac, address or port; UNAVAILABLE (NO_NFTABLES) where the host has no nft or the kernel
  // refuses it.
  absl::Status Apply(const FirewallConfig& config);
  // A port alone: what Apply would add or remove for it; quick (no program is run). To be
  // called before the port is plugged in, so that no frame of it passes unseen, and after it is
  // gone: a link that is no port of ours is not looked at. NOT_FOUND before the first Apply.
  // A port whose mac or addresses changed is removed as it was first.
  absl::Status AddPort(const FirewallPort& port);
  absl::Status RemovePort(const FirewallPort& port);
  // Removes both tables; fine when they are not there.
  absl::Status Remove();

  // What is told to nft, for tests and doctor, in nft(8)'s language.
  std::string Ruleset(const FirewallConfig& config) const;

 private:
  // The socket for elements, made at first need.
  absl::StatusOr<Netlink*> Elements() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string table_;
  absl::Mutex mutex_;
  std::optional<Netlink> elements_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::network
