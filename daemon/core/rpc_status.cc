#include "daemon/base/error.h"
#include "daemon/core/operations.h"
#include "google/rpc/error_details.pb.h"

namespace vx::core {

google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status wire;
  wire.set_code(static_cast<int>(status.code()));
  wire.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_domain("vx");
  info.set_reason(ErrorReason(status));
  if (info.reason().empty()) info.set_reason(absl::StatusCodeToString(status.code()));
  if (std::string hint = ErrorHint(status); !hint.empty())
    (*info.mutable_metadata())["hint"] = hint;
  wire.add_details()->PackFrom(info);
  google::rpc::BadRequest bad_request;
  for (const FieldViolation& violation : ErrorViolations(status)) {
    auto* field = bad_request.add_field_violations();
    field->set_field(violation.field);
    field->set_description(violation.description);
  }
  if (bad_request.field_violations_size() > 0) wire.add_details()->PackFrom(bad_request);
  return wire;
}

}  // namespace vx::core
