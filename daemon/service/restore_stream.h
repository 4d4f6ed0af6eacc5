// An inventory on its way back in.
#pragma once

#include "daemon/service/upload_stream.h"
#include "vx/v1/system_service.pb.h"

namespace vx::service {

// Has the copy that it spooled checked and staged, answers, and asks for a restart of
// the daemon.
class RestoreStream : public UploadStream<v1::RestoreInventoryRequest> {
 public:
  RestoreStream(const Context& context, grpc::CallbackServerContext* call,
                v1::RestoreInventoryResponse* response)
      : UploadStream(context, call), response_(response) {}

  void OnDone() override;

 private:
  absl::Status Submit() override;

  v1::RestoreInventoryResponse* response_;
  bool staged_ = false;
};

}  // namespace vx::service
