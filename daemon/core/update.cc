// Changes of a workload's spec and name, and what follows from them for what runs. Each body
// runs in the workload's turn, so nothing else changes it meanwhile.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/fault.h"
#include "daemon/base/ids.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/confinement.h"
#include "daemon/core/networks.h"
#include "daemon/core/timestamps.h"
#include "daemon/core/validation.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

// Copies the fields that the mask names.
bool Touches(const std::vector<std::string>& paths, absl::string_view prefix) {
  return std::any_of(paths.begin(), paths.end(),
                     [&](const std::string& path) { return absl::StartsWith(path, prefix); });
}

bool TouchesRates(const std::vector<std::string>& paths) {
  return Touches(paths, "spec.resources.network_") ||
         std::find(paths.begin(), paths.end(), "spec.resources") != paths.end();
}

// Copies one field of the message; false when there is none of that name.
bool CopyField(const google::protobuf::Message& from, const std::string& name,
               google::protobuf::Message* to) {
  const auto* field = from.GetDescriptor()->FindFieldByName(name);
  if (field == nullptr) return false;
  std::unique_ptr<google::protobuf::Message> one(from.New());
  one->CopyFrom(from);
  std::vector<const google::protobuf::FieldDescriptor*> set;
  one->GetReflection()->ListFields(*one, &set);
  for (const auto* other : set) {
    if (other != field) one->GetReflection()->ClearField(one.get(), other);
  }
  to->GetReflection()->ClearField(to, field);
  to->MergeFrom(*one);
  return true;
}

// Copies the fields that the mask names.
absl::Status ApplyMask(const v1::Workload& wanted, const std::vector<std::string>& paths,
                       v1::Workload& workload) {
  constexpr absl::string_view kResources = "spec.resources.";
  for (const std::string& path : paths) {
    if (path == "labels") {
      *workload.mutable_labels() = wanted.labels();
    } else if (path == "spec.autostart") {
      workload.mutable_spec()->set_autostart(wanted.spec().autostart());
    } else if (path == "spec.ports") {
      *workload.mutable_spec()->mutable_ports() = wanted.spec().ports();
    } else if (path == "spec.resources") {
      *workload.mutable_spec()->mutable_resources() = wanted.spec().resources();
    } else if (path == "spec.resources.disk_bytes" || !absl::StartsWith(path, kResources) ||
               !CopyField(wanted.spec().resources(), path.substr(kResources.size()),
                          workload.mutable_spec()->mutable_resources())) {
      return InvalidFields({{"update_mask", absl::StrCat("\"", path, "\" can't be updated")}});
    }
  }
  return absl::OkStatus();
}

void Changed(v1::Workload& workload) {
  workload.set_generation(workload.generation() + 1);
  workload.set_etag(RandomHex(16));
  *workload.mutable_update_time() = ToProto(absl::Now());
}

// With those of its ports alone that are none of the host's that it had before: whoever has
// those is its own proxy.
v1::Workload WithNewPorts(const v1::Workload& workload, const v1::Workload& before) {
  v1::Workload fresh = workload;
  fresh.mutable_spec()->clear_ports();
  const auto& old = before.spec().ports();
  for (const v1::PortMapping& port : workload.spec().ports()) {
    const bool had = std::any_of(old.begin(), old.end(), [&](const v1::PortMapping& one) {
      return PortsMeet(one, port);
    });
    if (!had) *fresh.mutable_spec()->add_ports() = port;
  }
  return fresh;
}

template <typename Repeated, typename Matches>
void EraseIf(Repeated* all, Matches matches) {
  all->erase(std::remove_if(all->begin(), all->end(), matches), all->end());
}

// FAILED_PRECONDITION (LAST_NETWORK) when it has what goes with a network only.
absl::Status CheckNeedsNone(const v1::Workload& workload) {
  const v1::WorkloadSpec& spec = workload.spec();
  const bool limited = spec.resources().network_receive_bytes() > 0 ||
                       spec.resources().network_send_bytes() > 0;
  if (spec.ports_size() == 0 && !limited) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "LAST_NETWORK",
               absl::StrCat("it is the last network of \"", workload.name(), "\", which ",
                            limited ? "has limits on what it sends and receives"
                                    : "publishes ports"),
               absl::StrCat("vxctl update ", workload.name(),
                            limited ? " --network-in 0 --network-out 0" : " -p none"));
}

bool IsOn(const v1::WorkloadSpec& spec, const std::string& network) {
  return std::find(spec.networks().begin(), spec.networks().end(), network) !=
         spec.networks().end();
}

}  // namespace

void ListAddresses(v1::WorkloadStatus* status) {
  status->clear_addresses();
  for (const v1::NetworkAttachment& attachment : status->networks()) {
    for (const std::string& address : attachment.addresses()) {
      status->add_addresses(address.substr(0, address.find('/')));
    }
  }
}

absl::Status Workloads::DoUpdate(OperationRun& run, const std::string& uid,
                                 const v1::Workload& wanted,
                                 const std::vector<std::string>& paths) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  if (!wanted.etag().empty() && wanted.etag() != workload.etag()) {
    return Error(absl::StatusCode::kAborted, "ETAG_MISMATCH",
                 absl::StrCat("\"", workload.name(), "\" was changed by someone else meanwhile"),
                 "read it again and repeat the change");
  }
  const v1::Workload before = workload;
  VX_RETURN_IF_ERROR(ApplyMask(wanted, paths, workload));
  std::vector<FieldViolation> violations;
  CheckTogether(workload.spec().resources(), violations);
  CheckNetworking(workload, violations);
  if (!violations.empty()) return InvalidFields(violations);
  VX_RETURN_IF_ERROR(run.Phase("update"));
  if (Touches(paths, "spec.resources") && IsActive(workload)) {
    VX_RETURN_IF_ERROR(driver->Update(uid, workload.spec().resources()));
  }
  VX_FAULT_POINT("update.applied");
  Changed(workload);
  if (IsActive(workload) && (Touches(paths, "spec.ports") || TouchesRates(paths))) {
    VX_RETURN_IF_ERROR(Republish(before, workload, Touches(paths, "spec.ports")));
  }
  run.AtEnd([workload](store::Transaction& tx) {
    return PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload);
  });
  return absl::OkStatus();
}

// The rules are made of what is on record.
absl::Status Workloads::Republish(v1::Workload before, v1::Workload workload, bool ports) {
  if (workload.status().networks_size() == 0) return absl::OkStatus();
  if (ports) VX_RETURN_IF_ERROR(networks_.CheckPorts(WithNewPorts(workload, before)));
  VX_RETURN_IF_ERROR(Save(workload, store::Durability::kObservation));
  absl::Status published = ports ? StartProxy(workload) : absl::OkStatus();
  if (published.ok()) published = networks_.Republish();
  if (published.ok()) return published;
  VX_RETURN_IF_ERROR(Save(before, store::Durability::kObservation));
  if (ports) StartProxy(before).IgnoreError();
  networks_.Republish().IgnoreError();
  return published;
}

absl::Status Workloads::StartProxy(const v1::Workload& workload) {
  if (workload.status().networks_size() == 0) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  VX_ASSIGN_OR_RETURN(driver::Observation seen, driver->Observe(workload.uid()));
  // What runs nothing real has no process whose life counts.
  if (seen.shim_pid == 0) return absl::OkStatus();
  VX_ASSIGN_OR_RETURN(UniqueFd life, OpenPidfd(static_cast<pid_t>(seen.shim_pid)));
  return networks_.StartProxy(workload, life.get());
}

absl::Status Workloads::DoRename(OperationRun& run, const std::string& uid,
                                 const std::string& new_name) {
  v1::Workload workload;
  VX_RETURN_IF_ERROR(Enter(run, uid, Use::kLookAfter, workload).status());
  if (workload.name() == new_name) return absl::OkStatus();
  VX_RETURN_IF_ERROR(run.Phase("rename"));
  workload.set_name(new_name);
  Changed(workload);
  {
    VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
    VX_ASSIGN_OR_RETURN(bool taken, tx.NameTaken(new_name));
    if (taken) return NameTakenError(new_name);
    VX_RETURN_IF_ERROR(PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload));
    VX_RETURN_IF_ERROR(tx.Commit());
  }
  return IsActive(workload) ? networks_.Rename(workload) : absl::OkStatus();
}

absl::Status Workloads::Record(
    const v1::Workload& workload,
    const std::function<absl::Status(store::Transaction&)>& membership) {
  VX_ASSIGN_OR_RETURN(store::Transaction tx, store_.Begin(store::Durability::kPromise));
  VX_RETURN_IF_ERROR(membership(tx));
  VX_RETURN_IF_ERROR(PutWithEvent(tx, v1::EVENT_TYPE_WORKLOAD_CHANGED, workload));
  return tx.Commit();
}

absl::Status Workloads::DoConnect(OperationRun& run, const std::string& uid,
                                  const std::string& network, const std::string& address) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  v1::WorkloadSpec* spec = workload.mutable_spec();
  if (IsOn(*spec, network)) {
    return Error(absl::StatusCode::kFailedPrecondition, "ALREADY_CONNECTED",
                 absl::StrCat("\"", workload.name(), "\" is on network ", network, " already"));
  }
  const v1::Workload before = workload;
  EraseIf(spec->mutable_networks(), [](const std::string& one) { return one == kNoNetwork; });
  spec->add_networks(network);
  if (!address.empty()) spec->add_addresses(address);
  std::vector<FieldViolation> violations = driver->Validate(*spec);
  CheckNetworking(workload, violations);
  if (!violations.empty()) return InvalidFields(std::move(violations));
  VX_RETURN_IF_ERROR(run.Phase("connect"));
  Changed(workload);
  VX_RETURN_IF_ERROR(Record(workload, [&](store::Transaction& tx) {
    return networks_.JoinOne(tx, workload, address);
  }));
  if (!IsActive(workload)) return absl::OkStatus();
  absl::Status plugged = PlugIn(*driver, workload, network);
  if (plugged.ok()) return plugged;
  absl::Status undone = Record(before, [&](store::Transaction& tx) {
    return networks_.Leave(tx, workload, network);
  });
  if (!undone.ok()) spdlog::error("workload={}: undo: {}", workload.name(), undone.ToString());
  return plugged;
}

absl::Status Workloads::PlugIn(driver::Driver& driver, v1::Workload& workload,
                               const std::string& network) {
  VX_ASSIGN_OR_RETURN(v1::NetworkAttachment attachment,
                      networks_.AttachmentTo(workload, network));
  VX_ASSIGN_OR_RETURN(driver::Endpoint endpoint, driver.Plug(workload.uid(), attachment));
  v1::WorkloadStatus* status = workload.mutable_status();
  *status->add_networks() = attachment;
  ListAddresses(status);
  absl::Status plugged = Save(workload, store::Durability::kObservation);
  if (plugged.ok()) plugged = networks_.AttachOne(workload, attachment, endpoint);
  if (plugged.ok()) plugged = driver.Configure(workload.uid(), attachment);
  if (plugged.ok()) return plugged;
  status->mutable_networks()->RemoveLast();
  ListAddresses(status);
  absl::Status undone = Save(workload, store::Durability::kObservation);
  undone.Update(driver.Unplug(workload.uid(), attachment));
  undone.Update(networks_.DetachOne(workload, attachment));
  if (!undone.ok()) spdlog::error("workload={}: undo: {}", workload.name(), undone.ToString());
  return plugged;
}

absl::Status Workloads::ForgetNetwork(const std::string& network, v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(store::Member member, networks_.MemberOf(workload, network));
  v1::WorkloadSpec* spec = workload.mutable_spec();
  EraseIf(spec->mutable_networks(), [&](const std::string& one) { return one == network; });
  if (spec->networks_size() == 0) {
    spec->add_networks(kNoNetwork);
    spec->clear_addresses();
    VX_RETURN_IF_ERROR(CheckNeedsNone(workload));
  }
  EraseIf(spec->mutable_addresses(), [&](const std::string& address) {
    return address == member.v4 || address == member.v6;
  });
  if (spec->mac() == member.mac) spec->clear_mac();
  std::vector<FieldViolation> violations;
  CheckNetworking(workload, violations);
  if (!violations.empty()) return InvalidFields(std::move(violations));
  EraseIf(workload.mutable_status()->mutable_networks(),
          [&](const v1::NetworkAttachment& one) { return one.network() == network; });
  ListAddresses(workload.mutable_status());
  Changed(workload);
  return absl::OkStatus();
}

absl::Status Workloads::DoDisconnect(OperationRun& run, const std::string& uid,
                                     const std::string& network) {
  v1::Workload workload;
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, Enter(run, uid, Use::kLookAfter, workload));
  if (!IsOn(workload.spec(), network)) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_CONNECTED",
                 absl::StrCat("\"", workload.name(), "\" is not on network ", network),
                 absl::StrCat("vxctl inspect ", workload.name(), " shows its networks"));
  }
  VX_RETURN_IF_ERROR(run.Phase("disconnect"));
  std::optional<v1::NetworkAttachment> attachment;
  for (const v1::NetworkAttachment& one : workload.status().networks()) {
    if (IsActive(workload) && one.network() == network) attachment = one;
  }
  VX_RETURN_IF_ERROR(ForgetNetwork(network, workload));
  if (attachment) VX_RETURN_IF_ERROR(driver->Unplug(uid, *attachment));
  VX_RETURN_IF_ERROR(Record(workload, [&](store::Transaction& tx) {
    return networks_.Leave(tx, workload, network);
  }));
  if (!attachment) return absl::OkStatus();
  VX_RETURN_IF_ERROR(networks_.DetachOne(workload, *attachment));
  return attachment->gateways_size() > 0 ? FindWayOut(*driver, workload) : absl::OkStatus();
}

// What its first network was, another one is now.
absl::Status Workloads::FindWayOut(driver::Driver& driver, v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(std::vector<v1::NetworkAttachment> wanted,
                      networks_.AttachmentsOf(workload));
  for (const v1::NetworkAttachment& one : wanted) {
    if (one.gateways_size() == 0) continue;
    for (v1::NetworkAttachment& now : *workload.mutable_status()->mutable_networks()) {
      if (now.network() != one.network()) continue;
      *now.mutable_gateways() = one.gateways();
      VX_ASSIGN_OR_RETURN(UniqueFd netns, driver.OpenNetns(workload.uid()));
      VX_RETURN_IF_ERROR(netns.valid() ? networks_.SetWayOut(now, netns.get())
                                       : driver.Configure(workload.uid(), now));
    }
  }
  return Save(workload, store::Durability::kObservation);
}

}  // namespace vx::core
