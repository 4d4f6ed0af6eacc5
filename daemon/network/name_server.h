// Names and DHCP for a network: dnsmasq, one process for each network, which vxd starts and
// finds again, and which goes on answering while vxd is down.
//
// It answers on the host's addresses on the bridge: names with and without ".vx", in both
// families, and addresses (PTR). A name of the network that has no address of the family
// that is asked for is an empty answer, and one that is not there is NXDOMAIN, both at once;
// what is asked for elsewhere is forwarded, on an internal network NXDOMAIN too. DHCP is for
// IPv4, and for hosts that it knows alone; a guest's own idea of its name counts for nothing.
// It runs as dnsmasq's user, or nobody; should that be kept out of `dir`, the folders above
// get an entry in their access lists (base/access_list.h).
#pragma once

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/network/address.h"

namespace vx::network {

struct NameServerConfig {
  // The network's name, and the folder of its server: hosts, leases, pid, made when needed.
  std::string network;
  std::string dir;
  std::string bridge;
  // The host's own on the bridge: where it answers.
  std::vector<Prefix> gateways;
  // No forwarding of what is asked for elsewhere.
  bool internal = false;
  // Whom it asks: addresses, or "ADDRESS#PORT"; empty: the host's /etc/resolv.conf, which is
  // followed.
  std::vector<std::string> upstream;
  // Where not empty, it is put into the cgroup of this cgroup.procs.
  std::string cgroup_procs;
};

// Who has which names.
struct NameServerHost {
  // Names its file: letters, digits, '-' and '_'.
  std::string uid;
  // "web", "web.vx", aliases; the first answers PTR.
  std::vector<std::string> names;
  std::vector<Address> addresses;
  // DHCP gives the first IPv4 address to this one; may be empty.
  std::string mac;
};

// Thread-safe; calls take turns. What is set or removed counts for the next question, and
// may be before the first Ensure or while the server is down. The object keeps nothing: all
// is in the folder, so another one for the same folder, as of a vxd that comes again, goes on
// with it.
class NameServer {
 public:
  explicit NameServer(NameServerConfig config) : config_(std::move(config)) {}

  // Starts it outside of vxd's life (own session; not killed with it), or finds that it runs
  // with this config; starts it again when it died or its config changed. Returns when it
  // answers; the bridge must be there. UNAVAILABLE: NO_DNSMASQ when it is not installed,
  // NAME_SERVER_FAILED with what it complained. FAILED_PRECONDITION (PATH_CLOSED) when its
  // user can't be let into `dir`.
  absl::Status Ensure();
  // Instead of what the uid had. INVALID_ARGUMENT (BAD_HOST) names what can't be in a file of
  // dnsmasq's. Leases that say otherwise are given back.
  absl::Status SetHost(const NameServerHost& host);
  // Fine when there is none.
  absl::Status RemoveHost(const std::string& uid);
  // The uids that are set, so that those of before can be removed.
  absl::StatusOr<std::vector<std::string>> Hosts() const;
  // The process that runs; invalid when none does.
  UniqueFd OpenProcess() const;
  // Ends it, and removes its folder. Fine when it does not run.
  absl::Status Stop();

 private:
  absl::Status MakeFolders() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Replaces a file of one of its folders, or removes it where there is nothing to say.
  absl::Status Put(const std::string& path, const std::string& text) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What both of its files of a host say; empty: no such file.
  struct HostFiles {
    std::string names;
    std::string dhcp;
  };
  absl::Status Replace(const std::string& uid, const HostFiles& files)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives back, in their name, the leases that are in the way when a line of a DHCP file is
  // replaced. Best effort.
  void ReleaseLeases(const std::string& before, const std::string& after) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const NameServerConfig config_;
  absl::Mutex mutex_;
};

}  // namespace vx::network
