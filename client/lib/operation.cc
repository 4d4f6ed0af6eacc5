#include "client/lib/operation.h"

#include <google/protobuf/util/time_util.h>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/lib/rpc_error.h"
#include "client/lib/tree.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::client {
namespace {

v1::WaitOperationRequest WaitRequest(const v1::Operation& operation, const Follow& follow) {
  v1::WaitOperationRequest request;
  request.set_id(operation.id());
  if (follow.progress) {
    *request.mutable_timeout() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
        absl::ToInt64Milliseconds(follow.interval));
  }
  return request;
}

absl::StatusOr<v1::Operation> WaitOnce(Connection& connection,
                                       const v1::WaitOperationRequest& request) {
  absl::Time end = absl::Now() + kRestartLimit;
  auto response = connection.WaitOperation(request);
  while (absl::IsUnavailable(response.status()) && absl::Now() < end) {
    VX_RETURN_IF_ERROR(connection.Reconnect(end - absl::Now()));
    response = connection.WaitOperation(request);
  }
  if (!response.ok()) return response.status();
  return std::move(*response->mutable_operation());
}

}  // namespace

bool HasEnded(const v1::Operation& operation) {
  switch (operation.state()) {
    case v1::OPERATION_STATE_DONE:
    case v1::OPERATION_STATE_FAILED:
    case v1::OPERATION_STATE_CANCELLED:
    case v1::OPERATION_STATE_ABORTED:
      return true;
    default:
      return false;
  }
}

absl::Status OperationError(const v1::Operation& operation) {
  if (!HasEnded(operation) || operation.state() == v1::OPERATION_STATE_DONE)
    return absl::OkStatus();
  absl::Status error = FromWire(operation.error());
  if (!error.ok()) return error;
  std::string state = EnumText(operation.state());
  return Error(absl::StatusCode::kUnknown, absl::StrCat("OPERATION_", absl::AsciiStrToUpper(state)),
               absl::StrCat("operation ", operation.id(), " ended as ", state));
}

absl::StatusOr<v1::Operation> FollowOperation(Connection& connection, v1::Operation operation,
                                              const Follow& follow) {
  v1::WaitOperationRequest request = WaitRequest(operation, follow);
  if (follow.progress) follow.progress(operation);
  while (!HasEnded(operation)) {
    VX_ASSIGN_OR_RETURN(operation, WaitOnce(connection, request));
    if (follow.progress) follow.progress(operation);
  }
  return operation;
}

}  // namespace vx::client
