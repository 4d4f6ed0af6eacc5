// Errors and idempotency keys as the wire has them.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "google/protobuf/message.h"

namespace vx::service {

// Code, sentence, and ErrorInfo (and BadRequest) as details.
grpc::Status ToGrpc(const absl::Status& status);

// A hash of method and body that is the same for the same request.
std::string Fingerprint(const google::protobuf::Message& request);

}  // namespace vx::service
