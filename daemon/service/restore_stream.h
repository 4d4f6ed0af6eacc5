// An inventory on its way back in.
#pragma once

#include "daemon/service/unary.h"
#include "daemon/service/upload.h"
#include "vx/v1/system_service.pb.h"

namespace vx::service {

// Spools the copy, has it checked and staged, answers, and asks for a restart of the
// daemon. Owns itself; one message is worked on at a time.
class RestoreStream : public grpc::ServerReadReactor<v1::RestoreInventoryRequest> {
 public:
  RestoreStream(const Context& context, grpc::CallbackServerContext* call,
                v1::RestoreInventoryResponse* response);

  void OnReadDone(bool ok) override;
  void OnCancel() override {}
  void OnDone() override;

 private:
  absl::Status Take();
  absl::Status Stage();

  const Context& context_;
  grpc::CallbackServerContext* call_;
  v1::RestoreInventoryResponse* response_;
  v1::RestoreInventoryRequest message_;
  bool force_ = false;
  bool staged_ = false;
  Upload upload_;
};

}  // namespace vx::service
