// The one place that enforces who may do what: reads the permission options of
// proto/vx/v1 and holds a call against them.
#pragma once

#include <set>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "daemon/service/peers.h"
#include "google/protobuf/message.h"
#include "vx/v1/permission.pb.h"

namespace vx::service {

// Who calls.
struct Caller {
  std::string name;  // "uid:1000"
  std::set<v1::Permission> permissions;
};

// Immutable after construction; thread-safe.
class Authorizer {
 public:
  // `peers` outlives it. `operator_host_access`: auth.operator_host_access.
  Authorizer(const Peers& peers, bool operator_host_access);

  // Fine when the caller behind `peer` may send `request`: it holds the method's
  // permission and that of every field set in it. UNAUTHENTICATED (UNKNOWN_PEER),
  // PERMISSION_DENIED (PERMISSION_DENIED) naming the method or field.
  absl::StatusOr<Caller> Authorize(const std::string& peer,
                                   const google::protobuf::Message& request) const;

 private:
  absl::StatusOr<Caller> Identify(const std::string& peer) const;

  const Peers& peers_;
  const bool operator_host_access_;
  // Every method has a request message of its own, so that names the method.
  absl::flat_hash_map<std::string, v1::Permission> by_request_;
};

}  // namespace vx::service
