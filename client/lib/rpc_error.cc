#include "client/lib/rpc_error.h"

#include <grpcpp/support/status.h>

#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "daemon/base/error.h"
#include "google/rpc/error_details.pb.h"

namespace vx::client {
namespace {

struct Details {
  google::rpc::ErrorInfo info;
  std::vector<FieldViolation> violations;
};

Details Unpack(const google::rpc::Status& status) {
  Details details;
  google::rpc::BadRequest refused;
  for (const auto& any : status.details()) {
    if (any.UnpackTo(&details.info) || !any.UnpackTo(&refused)) continue;
    for (const auto& v : refused.field_violations()) {
      details.violations.push_back({v.field(), v.description()});
    }
  }
  return details;
}

std::string Hint(const google::rpc::ErrorInfo& info) {
  auto hint = info.metadata().find("hint");
  return hint == info.metadata().end() ? "" : hint->second;
}

// An error with the payloads of InvalidFields but the server's own message.
void AddViolations(const std::vector<FieldViolation>& violations, absl::Status* status) {
  if (violations.empty()) return;
  absl::Status fields = InvalidFields(violations);
  fields.ForEachPayload([&](absl::string_view key, const absl::Cord& value) {
    if (!status->GetPayload(key).has_value()) status->SetPayload(key, value);
  });
}

}  // namespace

absl::Status FromWire(const google::rpc::Status& status) {
  auto code = static_cast<absl::StatusCode>(status.code());
  if (code == absl::StatusCode::kOk) return absl::OkStatus();
  Details details = Unpack(status);
  absl::Status error(code, status.message());
  if (!details.info.reason().empty()) {
    error = Error(code, details.info.reason(), status.message(), Hint(details.info));
  }
  AddViolations(details.violations, &error);
  return error;
}

absl::Status FromCall(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  google::rpc::Status wire;
  if (!wire.ParseFromString(status.error_details())) wire.Clear();
  wire.set_code(status.error_code());
  wire.set_message(status.error_message());
  return FromWire(wire);
}

std::string ReasonOrCode(const absl::Status& status) {
  std::string reason = ErrorReason(status);
  return reason.empty() ? absl::StatusCodeToString(status.code()) : reason;
}

}  // namespace vx::client
