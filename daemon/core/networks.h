// Networks: who is on which, with which address; and making the host so.
//
// An address is a workload's from its creation to its removal, whether it runs or not. A
// run is plugged in between the driver's Create and Start, and what was plugged in goes with
// the run: the driver's endpoint takes its links along, Detach the rules and names.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/base/watcher.h"
#include "daemon/core/operations.h"
#include "daemon/driver/driver.h"
#include "daemon/driver/placement.h"
#include "daemon/network/firewall.h"
#include "daemon/network/name_server.h"
#include "daemon/store/store.h"
#include "vx/v1/network.pb.h"
#include "vx/v1/system_service.pb.h"

namespace vx::core {

struct NetworkOptions {
  // 8 hex digits; part of links' and tables' names.
  std::string instance_id;
  // Where name servers have their folders.
  std::string runtime_dir;
  // As the drivers have it (driver/placement.h): what outlives vxd is apart from it.
  std::string cgroup_parent;
  // The default network's; empty: chosen.
  std::string bridge;
  // What subnets are cut from.
  std::string pool = "10.117.0.0/16";
  // The same of IPv6; empty: a unique local prefix made from the instance id.
  std::string ipv6_pool;
  // Servers that names are asked of; empty: the host's.
  std::vector<std::string> upstream;
  // What a workload that names no network is on: a network, or "none".
  std::string default_network = "none";
  // Where vx-proxy is.
  std::string bin_dir;
};

inline constexpr char kDefaultNetwork[] = "default";
// Not networks, but words in their place.
inline constexpr char kNoNetwork[] = "none";
inline constexpr char kHostNetwork[] = "host";

// Thread-safe. `store` and `operations` outlive it.
class Networks {
 public:
  Networks(store::Store& store, Operations& operations, NetworkOptions options);

  absl::StatusOr<v1::Operation> Create(const v1::Network& wanted, const RequestKey& request);
  // FAILED_PRECONDITION (NETWORK_IN_USE) names the workloads.
  absl::StatusOr<v1::Operation> Delete(const std::string& name, const RequestKey& request);
  // With their members.
  absl::StatusOr<v1::Network> Get(const std::string& name) const;
  absl::StatusOr<std::vector<v1::Network>> List() const;

  // --- For Workloads. ---

  // Makes a workload that is being recorded a member of its networks, and gives it its
  // addresses there. NOT_FOUND (NETWORK_NOT_FOUND), INVALID_ARGUMENT (BAD_ADDRESS),
  // ALREADY_EXISTS (ADDRESS_TAKEN), RESOURCE_EXHAUSTED (NO_ADDRESS). The default network is
  // made here when it is the first time that it is needed.
  absl::Status Join(store::Transaction& tx, const v1::Workload& workload);
  // The same for one more network, the last in `workload`'s spec, where it is to have
  // `address` if that is not empty.
  absl::Status JoinOne(store::Transaction& tx, const v1::Workload& workload,
                       const std::string& address);
  // What it has on a network; NOT_FOUND (NETWORK_NOT_FOUND).
  absl::StatusOr<store::Member> MemberOf(const v1::Workload& workload,
                                         const std::string& network) const;
  // Ends the membership. NOT_FOUND (NETWORK_NOT_FOUND).
  absl::Status Leave(store::Transaction& tx, const v1::Workload& workload,
                     const std::string& network);
  // By name or uid; the default network's is known before it is made.
  absl::StatusOr<std::string> NameOf(const std::string& network) const;
  const std::string& default_network() const { return options_.default_network; }
  // What the workload has, in the order of its spec.
  absl::StatusOr<std::vector<v1::NetworkAttachment>> AttachmentsOf(
      const v1::Workload& workload) const;
  // What it is to have on a network that it has joined while it runs: by the side of what
  // `status.networks` says.
  absl::StatusOr<v1::NetworkAttachment> AttachmentTo(const v1::Workload& workload,
                                                     const std::string& network) const;
  // FAILED_PRECONDITION (PORT_TAKEN) names who has a port that it is to publish: another
  // workload that runs, or a program of the host's. (NO_ADDRESS) where it has no address that
  // is vx's to publish. `status.networks` is as AttachmentsOf gave it.
  absl::Status CheckPorts(const v1::Workload& workload) const;
  // Plugs a run in: `workload.status.networks` as AttachmentsOf gave it. Once it is recorded
  // as active. Undoes itself when it fails.
  absl::Status Attach(const v1::Workload& workload, const driver::Endpoint& endpoint);
  // The run is over, or will be at once. Fine when it was not attached.
  absl::Status Detach(const v1::Workload& workload);
  // The part of both that is about one of the networks of what runs. `workload` is recorded
  // as having it, or as having it no more; published ports follow.
  absl::Status AttachOne(const v1::Workload& workload, const v1::NetworkAttachment& attachment,
                         const driver::Endpoint& endpoint);
  absl::Status DetachOne(const v1::Workload& workload, const v1::NetworkAttachment& attachment);
  // What somebody publishes, or may have of its links, has changed on record.
  absl::Status Republish();
  // Serves the ports that the kernel doesn't forward, in the place of whoever did for this
  // workload, for as long as the process behind the pidfd lives.
  absl::Status StartProxy(const v1::Workload& workload, int life);
  // A way out for a network namespace which has none.
  absl::Status SetWayOut(const v1::NetworkAttachment& attachment, int netns);
  // Its name has changed, on record too.
  absl::Status Rename(const v1::Workload& workload);

  // What of networks this host can't do, and who is in the way.
  std::vector<v1::Check> Doctor() const;

  // After a start of the daemon: makes the host right for what runs.
  absl::Status Restore();

 private:
  // --- network_choice.cc ---
  absl::StatusOr<v1::Network> Complete(store::View& view, const v1::Network& wanted) const;
  std::string BridgeName(const v1::Network& network) const;

  // --- networks.cc ---
  absl::StatusOr<v1::Network> FindOrMake(store::Transaction& tx, const std::string& name);
  absl::StatusOr<store::Member> Choose(store::Transaction& tx, const v1::Network& network,
                                       const v1::Workload& workload, bool first);
  absl::Status CheckUnused(const v1::Network& network) const;
  void AddMembers(v1::Network& network) const;

  // --- network_attach.cc ---
  absl::Status Bring(const v1::Network& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status PlugIn(const v1::NetworkAttachment& attachment, const driver::Endpoint& endpoint);
  // Undoes the host's part of it.
  absl::Status Forget(const v1::Workload& workload, const v1::NetworkAttachment& attachment);
  // `without` is a workload whose run is over, whatever is recorded of it yet.
  absl::StatusOr<network::FirewallConfig> Rules(const std::string& without = "") const;
  absl::Status ApplyRules(const std::string& without = "") ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string ProxyName(const v1::Workload& workload) const;
  network::NameServer& ServerOf(const v1::Network& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status SetNames(const v1::Workload& workload) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ForgetEnded(const v1::Network& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeDown(const v1::Network& network);

  // --- network_care.cc ---
  // Starts a name server again that ends by itself.
  void WatchServer(const v1::Network& network) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnServerEnd(const v1::Network& network, absl::Time since);

  store::Store& store_;
  Operations& operations_;
  const NetworkOptions options_;
  network::Firewall firewall_;
  // Of name servers: under systemd vxd's own group may send nothing.
  const driver::ProcessGroups server_groups_;

  mutable absl::Mutex mutex_;
  // Uids of networks that are as they should be on the host.
  std::set<std::string> there_ ABSL_GUARDED_BY(mutex_);
  // By uid of the network.
  std::map<std::string, std::unique_ptr<network::NameServer>> servers_ ABSL_GUARDED_BY(mutex_);
  absl::Mutex last_mutex_;
  // The number of the address given last, by uid of the network.
  std::map<std::string, uint64_t> last_ ABSL_GUARDED_BY(last_mutex_);

  // Uids of networks whose name server is watched.
  std::set<std::string> watched_ ABSL_GUARDED_BY(mutex_);
  // The last member: what it calls uses the others.
  Watcher watcher_{"vx-net-watch"};
};

// What is wrong with what a workload says of its networks and ports, whatever there is.
void CheckNetworking(const v1::Workload& workload, std::vector<FieldViolation>& violations);
std::vector<FieldViolation> ValidateNetwork(const v1::Network& network);

// Whether a port of the host is in both.
bool PortsMeet(const v1::PortMapping& a, const v1::PortMapping& b);

// Whether the workload is on networks at all.
bool HasNetworks(const v1::WorkloadSpec& spec);

}  // namespace vx::core
