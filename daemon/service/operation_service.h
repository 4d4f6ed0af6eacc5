#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/operation_service.grpc.pb.h"

namespace vx::service {

// proto/vx/v1/operation_service.proto over core::Operations.
class OperationService : public v1::OperationService::CallbackService {
 public:
  // `context` outlives it.
  explicit OperationService(const Context& context) : context_(context) {}

  using Call = grpc::CallbackServerContext;

  grpc::ServerUnaryReactor* GetOperation(Call*, const v1::GetOperationRequest*,
                                         v1::GetOperationResponse*) override;
  grpc::ServerUnaryReactor* ListOperations(Call*, const v1::ListOperationsRequest*,
                                           v1::ListOperationsResponse*) override;
  grpc::ServerUnaryReactor* WaitOperation(Call*, const v1::WaitOperationRequest*,
                                          v1::WaitOperationResponse*) override;
  grpc::ServerUnaryReactor* CancelOperation(Call*, const v1::CancelOperationRequest*,
                                            v1::CancelOperationResponse*) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
