#include "daemon/service/restore_stream.h"

#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::service {

RestoreStream::RestoreStream(const Context& context, grpc::CallbackServerContext* call,
                             v1::RestoreInventoryResponse* response)
    : context_(context), call_(call), response_(response) {
  StartRead(&message_);
}

void RestoreStream::OnReadDone(bool ok) {
  context_.slow_pool.Run([this, ok] {
    // No more messages: the copy is whole, or the caller has gone.
    absl::Status status = ok ? Take() : Stage();
    if (ok && status.ok()) return StartRead(&message_);
    Finish(ToGrpc(status));
  });
}

absl::Status RestoreStream::Take() {
  if (upload_.begun()) {
    if (message_.has_header()) return InvalidFields({{"header", "was sent twice"}});
    return upload_.Write(message_.data());
  }
  // Authorised before the first byte is kept.
  VX_RETURN_IF_ERROR(context_.authorizer.Authorize(call_->peer(), message_).status());
  if (!message_.has_header()) {
    return InvalidFields({{"header", "is missing: it has to be the first message"}});
  }
  force_ = message_.header().force();
  return upload_.Begin(context_.spool_dir);
}

absl::Status RestoreStream::Stage() {
  if (call_->IsCancelled()) return absl::CancelledError("the caller has gone");
  if (!upload_.begun()) return InvalidFields({{"header", "is missing"}});
  VX_ASSIGN_OR_RETURN(int workloads,
                      context_.core.inventory().StageRestore(upload_.Close(), force_));
  response_->set_workloads(workloads);
  staged_ = true;
  return absl::OkStatus();
}

void RestoreStream::OnDone() {
  // The answer is on its way.
  if (staged_) context_.restart();
  delete this;
}

}  // namespace vx::service
