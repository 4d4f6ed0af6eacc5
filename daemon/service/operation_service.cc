#include "daemon/service/operation_service.h"

#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"
#include "daemon/service/paging.h"
#include "daemon/service/waiters.h"

namespace vx::service {

grpc::ServerUnaryReactor* OperationService::GetOperation(Call* call,
                                                         const v1::GetOperationRequest* request,
                                                         v1::GetOperationResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) {
    return Answer(context_.core.operations().Find(request->id()), response);
  });
}

grpc::ServerUnaryReactor* OperationService::ListOperations(Call* call,
                                                           const v1::ListOperationsRequest* request,
                                                           v1::ListOperationsResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) -> absl::Status {
    VX_ASSIGN_OR_RETURN(PageRequest page, ParsePage(*request));
    store::View view = context_.core.store().Read();
    std::string uid;
    if (!request->workload().empty()) {
      VX_ASSIGN_OR_RETURN(v1::Workload workload, view.FindWorkload(request->workload()));
      uid = workload.uid();
    }
    VX_ASSIGN_OR_RETURN(store::Page<v1::Operation> found,
                        view.ListOperations(page.key, page.size, uid));
    for (v1::Operation& operation : found.rows) {
      context_.core.operations().Overlay(operation);
      *response->add_operations() = std::move(operation);
    }
    response->set_next_page_token(PageToken(found.next));
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* OperationService::WaitOperation(Call* call,
                                                          const v1::WaitOperationRequest* request,
                                                          v1::WaitOperationResponse* response) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) return new Refusal<grpc::ServerUnaryReactor>(caller.status());
  auto id = std::make_shared<std::string>();
  auto first = [=](const store::View& view) -> std::optional<absl::Status> {
    absl::StatusOr<v1::Operation> operation = view.FindOperation(request->id());
    if (!operation.ok()) return operation.status();
    *id = operation->id();
    if (!core::Ended(*operation)) return std::nullopt;
    *response->mutable_operation() = *std::move(operation);
    return absl::OkStatus();
  };
  auto check = [=](const v1::Event& event) -> std::optional<absl::Status> {
    if (!event.has_operation() || event.operation().id() != *id) return std::nullopt;
    if (!core::Ended(event.operation())) return std::nullopt;
    *response->mutable_operation() = event.operation();
    return absl::OkStatus();
  };
  // Not an error: the operation goes on, and the answer says how far it is.
  auto timed_out = [this, id, response]() -> absl::Status {
    return Answer(context_.core.operations().Find(*id), response);
  };
  std::optional<absl::Duration> timeout;
  if (request->has_timeout()) timeout = core::FromProto(request->timeout());
  auto* reactor = new WaitReactor(context_);
  reactor->Begin(first, check, timeout, timed_out);
  return reactor;
}

grpc::ServerUnaryReactor* OperationService::CancelOperation(
    Call* call, const v1::CancelOperationRequest* request, v1::CancelOperationResponse* response) {
  return Unary(context_, call, request, [=, this](const Caller&) {
    return Answer(context_.core.operations().Cancel(request->id()), response);
  });
}

}  // namespace vx::service
