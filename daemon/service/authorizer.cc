#include "daemon/service/authorizer.h"

#include <unistd.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/networks.h"
#include "vx/v1/event_service.pb.h"
#include "vx/v1/image_service.pb.h"
#include "vx/v1/network_service.pb.h"
#include "vx/v1/operation_service.pb.h"
#include "vx/v1/system_service.pb.h"
#include "vx/v1/volume_service.pb.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::service {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;

std::string PermissionWord(v1::Permission permission) {
  return v1::Permission_Name(permission).substr(sizeof "PERMISSION_" - 1);
}

absl::Status Denied(const Caller& caller, const std::string& what, v1::Permission permission) {
  std::string hint = permission == v1::PERMISSION_HOST_ACCESS
                         ? "ask root, or set auth.operator_host_access = true in vxd.toml"
                         : "ask root";
  return Error(
      absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED",
      absl::StrCat(caller.name, " may not use ", what, ": it needs ", PermissionWord(permission)),
      hint);
}

// What setting the field takes.
v1::Permission PermissionOf(const FieldDescriptor* field, const Message& message) {
  // The host's own network, of all words that a network may be called by.
  if (message.GetDescriptor() == v1::WorkloadSpec::descriptor() &&
      field->number() == v1::WorkloadSpec::kNetworksFieldNumber) {
    for (const std::string& name : static_cast<const v1::WorkloadSpec&>(message).networks()) {
      if (name == core::kHostNetwork) return v1::PERMISSION_HOST_ACCESS;
    }
  }
  // A bridge of the host's, where anybody's frames pass.
  if (message.GetDescriptor() == v1::NetworkSpec::descriptor() &&
      field->number() == v1::NetworkSpec::kHostBridgeFieldNumber) {
    return v1::PERMISSION_HOST_ACCESS;
  }
  // A mount's source is the host's only where it is a path: a volume's name is for everybody
  // who may have workloads.
  if (message.GetDescriptor() == v1::Mount::descriptor() &&
      field->number() == v1::Mount::kSourceFieldNumber &&
      !absl::StartsWith(static_cast<const v1::Mount&>(message).source(), "/")) {
    return v1::PERMISSION_UNSPECIFIED;
  }
  return field->options().GetExtension(v1::field_permission);
}

// The first field set in `message`, at any depth, that the caller may not set.
absl::Status CheckFields(const Caller& caller, const Message& message, const std::string& path) {
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const std::string name = absl::StrCat(path, path.empty() ? "" : ".", field->name());
    const v1::Permission needed = PermissionOf(field, message);
    if (needed != v1::PERMISSION_UNSPECIFIED && !caller.permissions.contains(needed)) {
      return Denied(caller, name, needed);
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    const auto* reflection = message.GetReflection();
    if (!field->is_repeated()) {
      VX_RETURN_IF_ERROR(CheckFields(caller, reflection->GetMessage(message, field), name));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(message, field); ++i) {
      VX_RETURN_IF_ERROR(
          CheckFields(caller, reflection->GetRepeatedMessage(message, field, i), name));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Authorizer::Authorizer(const Peers& peers, bool operator_host_access)
    : peers_(peers), operator_host_access_(operator_host_access) {
  const FileDescriptor* files[] = {
      v1::CreateWorkloadRequest::descriptor()->file(),
      v1::GetOperationRequest::descriptor()->file(), v1::WatchEventsRequest::descriptor()->file(),
      v1::ListImagesRequest::descriptor()->file(), v1::ListNetworksRequest::descriptor()->file(),
      v1::ListVolumesRequest::descriptor()->file(), v1::GetInfoRequest::descriptor()->file()};
  for (const FileDescriptor* file : files) {
    for (int s = 0; s < file->service_count(); ++s) {
      for (int m = 0; m < file->service(s)->method_count(); ++m) {
        const auto* method = file->service(s)->method(m);
        by_request_[method->input_type()->full_name()] =
            method->options().GetExtension(v1::method_permission);
      }
    }
  }
}

absl::StatusOr<Caller> Authorizer::Identify(const std::string& peer) const {
  std::optional<ucred> credentials = peers_.Find(peer);
  if (!credentials) {
    return Error(absl::StatusCode::kUnauthenticated, "UNKNOWN_PEER",
                 absl::StrCat("the caller at ", peer, " is not known"));
  }
  Caller caller;
  caller.name = absl::StrCat("uid:", credentials->uid);
  caller.permissions = {v1::PERMISSION_READ, v1::PERMISSION_OPERATE, v1::PERMISSION_IMAGES};
  const bool admin = credentials->uid == 0 || credentials->uid == geteuid();
  if (admin || operator_host_access_) caller.permissions.insert(v1::PERMISSION_HOST_ACCESS);
  if (admin) caller.permissions.insert(v1::PERMISSION_ADMIN);
  return caller;
}

absl::StatusOr<Caller> Authorizer::Authorize(const std::string& peer,
                                             const Message& request) const {
  VX_ASSIGN_OR_RETURN(Caller caller, Identify(peer));
  const std::string& name = request.GetDescriptor()->full_name();
  auto it = by_request_.find(name);
  const v1::Permission needed = it == by_request_.end() ? v1::PERMISSION_UNSPECIFIED : it->second;
  if (!caller.permissions.contains(needed)) return Denied(caller, name, needed);
  VX_RETURN_IF_ERROR(CheckFields(caller, request, ""));
  return caller;
}

}  // namespace vx::service
