// Errors as they come over the wire, as the project's own error model
// (daemon/base/error.h).
#pragma once

#include <google/protobuf/message.h>

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace grpc {
class Status;
}

namespace vx::client {

// Code, message, and from the details the reason, the hint and the violations.
// An error without details has no reason.
absl::Status FromWire(const google::rpc::Status& status);

// The end of a call. The details come from grpc-status-details-bin.
absl::Status FromCall(const grpc::Status& status);

// What stands in parentheses behind an error: its reason, or the name of its
// code where it has none.
std::string ReasonOrCode(const absl::Status& status);

}  // namespace vx::client
