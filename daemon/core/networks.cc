#include "daemon/core/networks.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/network_families.h"
#include "daemon/network/ipam.h"
#include "daemon/network/links.h"

namespace vx::core {
namespace {

using network::Address;
using network::Prefix;

// Changes of networks take turns.
constexpr char kKey[] = "networks";

// Of a workload's link on the host: 15 characters.
std::string LinkName(const std::string& uid, int slot) {
  return absl::StrCat("vx", uid.substr(0, 12), absl::Hex(slot));
}

std::set<Address> TakenOf(const std::vector<store::Member>& members, bool v6) {
  std::set<Address> taken;
  for (const store::Member& member : members) {
    if (auto address = network::ParseAddress(v6 ? member.v6 : member.v4); address.ok()) {
      taken.insert(*address);
    }
  }
  return taken;
}

// The one of `wanted` that lies in the prefix.
absl::StatusOr<std::optional<Address>> WantedIn(const Prefix& prefix,
                                                const v1::WorkloadSpec& spec) {
  for (const std::string& text : spec.addresses()) {
    VX_ASSIGN_OR_RETURN(Address address, network::ParseAddress(text));
    if (network::Contains(prefix, address)) return address;
  }
  return std::nullopt;
}

absl::Status AddressTaken(const std::string& what, const v1::Network& network) {
  return Error(absl::StatusCode::kAlreadyExists, "ADDRESS_TAKEN",
               absl::StrCat(what, " is another workload's on network ", network.name()),
               "choose another one, or leave it out");
}

// Every address that the workload asks for is one of a network of its.
absl::Status CheckPlaces(const v1::WorkloadSpec& spec, const std::vector<v1::Network>& networks) {
  for (const std::string& text : spec.addresses()) {
    VX_ASSIGN_OR_RETURN(Address address, network::ParseAddress(text));
    const bool fits = std::any_of(networks.begin(), networks.end(), [&](const v1::Network& one) {
      const std::vector<Family> families = FamiliesOf(one);
      return std::any_of(families.begin(), families.end(), [&](const Family& family) {
        return network::Contains(family.prefix, address);
      });
    });
    if (fits) continue;
    return Error(absl::StatusCode::kInvalidArgument, "BAD_ADDRESS",
                 absl::StrCat(text, " is no address of ",
                              networks.size() == 1 ? absl::StrCat("network ", networks[0].name())
                                                   : "any of the workload's networks"),
                 "vxctl network inspect NETWORK shows its subnets");
  }
  return absl::OkStatus();
}

}  // namespace

bool HasNetworks(const v1::WorkloadSpec& spec) {
  return spec.networks_size() > 0 && spec.networks(0) != kNoNetwork &&
         spec.networks(0) != kHostNetwork;
}

Networks::Networks(store::Store& store, Operations& operations, NetworkOptions options)
    : store_(store),
      operations_(operations),
      options_(std::move(options)),
      firewall_(options_.instance_id),
      server_groups_({.instance_id = options_.instance_id,
                      .options = {{"daemon.cgroup_parent", options_.cgroup_parent}}},
                     "names") {}

absl::StatusOr<v1::Operation> Networks::Create(const v1::Network& wanted,
                                               const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  if (auto violations = ValidateNetwork(wanted); !violations.empty()) {
    return InvalidFields(std::move(violations));
  }
  auto network = std::make_shared<v1::Network>();
  Submission submission;
  submission.type = v1::OPERATION_TYPE_NETWORK_CREATE;
  submission.key = kKey;
  submission.target = wanted.name();
  submission.request = request;
  submission.record = [this, wanted, network](store::Transaction& tx) -> absl::Status {
    if (tx.FindNetwork(wanted.name()).ok()) {
      return Error(absl::StatusCode::kAlreadyExists, "NAME_TAKEN",
                   absl::StrCat("there is already a network named \"", wanted.name(), "\""),
                   absl::StrCat("choose another name, or remove it: vxctl network rm ",
                                wanted.name()));
    }
    VX_ASSIGN_OR_RETURN(*network, Complete(tx, wanted));
    return tx.PutNetwork(*network);
  };
  submission.body = [this, network](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("bridge"));
    absl::Status made;
    {
      absl::MutexLock lock(&mutex_);
      made = Bring(*network);
    }
    if (made.ok()) return made;
    run.UndoPhase("undo");
    TakeDown(*network).IgnoreError();
    run.AtEnd([network](store::Transaction& tx) { return tx.DeleteNetwork(network->uid()); });
    return made;
  };
  return operations_.Submit(std::move(submission));
}

absl::Status Networks::CheckUnused(const v1::Network& network) const {
  VX_ASSIGN_OR_RETURN(v1::Network now, Get(network.uid()));
  if (now.status().members_size() == 0) return absl::OkStatus();
  std::vector<std::string> names;
  for (const v1::NetworkMember& member : now.status().members()) names.push_back(member.workload());
  return Error(absl::StatusCode::kFailedPrecondition, "NETWORK_IN_USE",
               absl::StrCat("network ", network.name(), " is used by ", absl::StrJoin(names, ", ")),
               "remove these workloads first, or take them off it: vxctl network disconnect");
}

absl::StatusOr<v1::Operation> Networks::Delete(const std::string& name, const RequestKey& request) {
  VX_ASSIGN_OR_RETURN(std::optional<v1::Operation> replayed, operations_.Replay(request));
  if (replayed) return *replayed;
  VX_ASSIGN_OR_RETURN(v1::Network network, store_.Read().FindNetwork(name));
  VX_RETURN_IF_ERROR(CheckUnused(network));
  Submission submission;
  submission.type = v1::OPERATION_TYPE_NETWORK_DELETE;
  submission.key = kKey;
  submission.target = network.name();
  submission.request = request;
  submission.body = [this, network](OperationRun& run) -> absl::Status {
    VX_RETURN_IF_ERROR(run.Phase("remove"));
    {
      VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
      VX_ASSIGN_OR_RETURN(std::vector<store::Member> members, tx.MembersOf(network.uid()));
      if (members.empty()) {
        VX_RETURN_IF_ERROR(tx.DeleteNetwork(network.uid()));
        VX_RETURN_IF_ERROR(tx.Commit());
        members.clear();
      }
    }
    // Somebody has joined it meanwhile.
    if (store_.Read().FindNetwork(network.uid()).ok()) return CheckUnused(network);
    return TakeDown(network);
  };
  return operations_.Submit(std::move(submission));
}

void Networks::AddMembers(v1::Network& network) const {
  store::View view = store_.Read();
  auto members = view.MembersOf(network.uid());
  if (!members.ok()) return;
  for (const store::Member& member : *members) {
    v1::NetworkMember* out = network.mutable_status()->add_members();
    out->set_workload_uid(member.workload_uid);
    if (auto workload = view.GetWorkload(member.workload_uid); workload.ok()) {
      out->set_workload(workload->name());
    }
    out->set_mac(member.mac);
    for (const std::string& address : {member.v4, member.v6}) {
      if (!address.empty()) out->add_addresses(address);
    }
  }
}

absl::StatusOr<v1::Network> Networks::Get(const std::string& name) const {
  VX_ASSIGN_OR_RETURN(v1::Network network, store_.Read().FindNetwork(name));
  AddMembers(network);
  return network;
}

absl::StatusOr<std::vector<v1::Network>> Networks::List() const {
  VX_ASSIGN_OR_RETURN(std::vector<v1::Network> all, store_.Read().ListNetworks());
  for (v1::Network& network : all) AddMembers(network);
  return all;
}

absl::StatusOr<v1::Network> Networks::FindOrMake(store::Transaction& tx, const std::string& name) {
  auto found = tx.FindNetwork(name);
  if (found.ok() || name != kDefaultNetwork) return found;
  v1::Network wanted;
  wanted.set_name(kDefaultNetwork);
  VX_ASSIGN_OR_RETURN(v1::Network network, Complete(tx, wanted));
  VX_RETURN_IF_ERROR(tx.PutNetwork(network));
  return network;
}

absl::StatusOr<store::Member> Networks::Choose(store::Transaction& tx, const v1::Network& network,
                                               const v1::Workload& workload, bool first) {
  const v1::WorkloadSpec& spec = workload.spec();
  store::Member member{network.uid(), workload.uid()};
  member.mac = first && !spec.mac().empty()
                   ? spec.mac()
                   : network::MakeMac(absl::StrCat(network.uid(), workload.uid()));
  VX_ASSIGN_OR_RETURN(std::vector<store::Member> others, tx.MembersOf(network.uid()));
  for (const store::Member& other : others) {
    if (other.mac == member.mac) return AddressTaken(member.mac, network);
  }
  for (const Family& family : FamiliesOf(network)) {
    const bool v6 = family.prefix.address.v6;
    const std::set<Address> taken = TakenOf(others, v6);
    VX_ASSIGN_OR_RETURN(std::optional<Address> wanted, WantedIn(family.prefix, spec));
    Address address;
    if (wanted) {
      address = *wanted;
      VX_RETURN_IF_ERROR(network::CheckAddress(family.prefix, family.gateway, address));
      if (taken.count(address) > 0) return AddressTaken(network::ToString(address), network);
    } else {
      absl::MutexLock lock(&last_mutex_);
      uint64_t& last = last_[absl::StrCat(network.uid(), v6 ? "6" : "4")];
      VX_ASSIGN_OR_RETURN(address,
                          network::FreeAddress(family.prefix, family.gateway, taken, last));
      last = network::NumberOf(family.prefix, address);
    }
    (v6 ? member.v6 : member.v4) = network::ToString(address);
  }
  return member;
}

absl::Status Networks::Join(store::Transaction& tx, const v1::Workload& workload) {
  if (!HasNetworks(workload.spec())) return absl::OkStatus();
  std::vector<v1::Network> networks;
  for (const std::string& name : workload.spec().networks()) {
    VX_ASSIGN_OR_RETURN(v1::Network network, FindOrMake(tx, name));
    networks.push_back(std::move(network));
  }
  VX_RETURN_IF_ERROR(CheckPlaces(workload.spec(), networks));
  for (const v1::Network& network : networks) {
    VX_ASSIGN_OR_RETURN(store::Member member,
                        Choose(tx, network, workload, &network == &networks.front()));
    VX_RETURN_IF_ERROR(tx.PutMember(member));
  }
  return absl::OkStatus();
}

absl::Status Networks::JoinOne(store::Transaction& tx, const v1::Workload& workload,
                               const std::string& address) {
  const v1::WorkloadSpec& spec = workload.spec();
  VX_ASSIGN_OR_RETURN(v1::Network network, FindOrMake(tx, spec.networks(spec.networks_size() - 1)));
  if (!address.empty()) {
    v1::WorkloadSpec wanted;
    wanted.add_addresses(address);
    VX_RETURN_IF_ERROR(CheckPlaces(wanted, {network}));
  }
  VX_ASSIGN_OR_RETURN(store::Member member,
                      Choose(tx, network, workload, spec.networks_size() == 1));
  return tx.PutMember(member);
}

absl::StatusOr<store::Member> Networks::MemberOf(const v1::Workload& workload,
                                                 const std::string& network) const {
  store::View view = store_.Read();
  VX_ASSIGN_OR_RETURN(v1::Network found, view.FindNetwork(network));
  VX_ASSIGN_OR_RETURN(std::vector<store::Member> all, view.MembershipsOf(workload.uid()));
  for (store::Member& member : all) {
    if (member.network_uid == found.uid()) return std::move(member);
  }
  return store::Member{found.uid(), workload.uid()};
}

absl::Status Networks::Leave(store::Transaction& tx, const v1::Workload& workload,
                             const std::string& network) {
  VX_ASSIGN_OR_RETURN(v1::Network found, tx.FindNetwork(network));
  return tx.DeleteMember(found.uid(), workload.uid());
}

absl::StatusOr<std::string> Networks::NameOf(const std::string& network) const {
  if (network == kDefaultNetwork) return network;
  VX_ASSIGN_OR_RETURN(v1::Network found, store_.Read().FindNetwork(network));
  return found.name();
}

absl::StatusOr<v1::NetworkAttachment> Networks::AttachmentTo(const v1::Workload& workload,
                                                             const std::string& network) const {
  VX_ASSIGN_OR_RETURN(std::vector<v1::NetworkAttachment> all, AttachmentsOf(workload));
  std::set<std::string> taken;
  bool has_way_out = false;
  for (const v1::NetworkAttachment& one : workload.status().networks()) {
    taken.insert(one.host_link());
    has_way_out = has_way_out || one.gateways_size() > 0;
  }
  for (v1::NetworkAttachment& one : all) {
    if (one.network() != network) continue;
    int slot = 0;
    auto is_taken = [&](const std::string& link) {
      return taken.contains(link) || network::LinkExists(link);
    };
    while (is_taken(LinkName(workload.uid(), slot))) ++slot;
    one.set_host_link(LinkName(workload.uid(), slot));
    one.set_guest_link(absl::StrCat("eth", slot));
    if (has_way_out) one.clear_gateways();
    return std::move(one);
  }
  return absl::InternalError(absl::StrCat("no membership of network ", network));
}

absl::StatusOr<std::vector<v1::NetworkAttachment>> Networks::AttachmentsOf(
    const v1::Workload& workload) const {
  std::vector<v1::NetworkAttachment> attachments;
  if (!HasNetworks(workload.spec())) return attachments;
  store::View view = store_.Read();
  VX_ASSIGN_OR_RETURN(std::vector<store::Member> memberships, view.MembershipsOf(workload.uid()));
  bool has_way_out = false;
  for (const std::string& name : workload.spec().networks()) {
    VX_ASSIGN_OR_RETURN(v1::Network network, view.FindNetwork(name));
    auto member = std::find_if(memberships.begin(), memberships.end(), [&](const auto& one) {
      return one.network_uid == network.uid();
    });
    if (member == memberships.end()) continue;
    const int slot = static_cast<int>(attachments.size());
    v1::NetworkAttachment& attachment = attachments.emplace_back();
    attachment.set_network(network.name());
    attachment.set_mac(member->mac);
    attachment.set_host_link(LinkName(workload.uid(), slot));
    attachment.set_guest_link(absl::StrCat("eth", slot));
    attachment.set_mtu(network.spec().mtu());
    for (const Family& family : FamiliesOf(network)) {
      const std::string& address = family.prefix.address.v6 ? member->v6 : member->v4;
      if (address.empty()) continue;
      attachment.add_addresses(absl::StrCat(address, "/", family.prefix.length));
      const std::string gateway = network::ToString(family.gateway);
      if (!has_way_out && !network.spec().internal()) attachment.add_gateways(gateway);
      if (workload.spec().dns_size() == 0) attachment.add_name_servers(gateway);
    }
    has_way_out = has_way_out || attachment.gateways_size() > 0;
    for (const std::string& server : workload.spec().dns()) attachment.add_name_servers(server);
  }
  return attachments;
}

}  // namespace vx::core
