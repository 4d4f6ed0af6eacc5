// A client stream that brings a file: a message with a header, then messages with data.
#pragma once

#include <grpcpp/grpcpp.h>

#include "absl/synchronization/mutex.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/service/unary.h"
#include "daemon/service/upload.h"

namespace vx::service {

// Spools the file. Owns itself; one message is worked on at a time, in the slow pool.
template <typename Request>
class UploadStream : public grpc::ServerReadReactor<Request> {
 public:
  UploadStream(const Context& context, grpc::CallbackServerContext* call)
      : context_(context), call_(call) {
    this->StartRead(&message_);
  }

  void OnReadDone(bool ok) override {
    context_.slow_pool.Run([this, ok] {
      const absl::Status status = Go(ok);
      if (ok && status.ok()) return this->StartRead(&message_);
      this->Finish(ToGrpc(status));
    });
  }
  void OnCancel() override {}
  void OnDone() override { delete this; }

 protected:
  // A piece of the file, which is kept.
  virtual void See(absl::string_view) {}
  // All of it is there; ends the call.
  virtual absl::Status Submit() = 0;

  const Context& context() const { return context_; }
  const Caller& caller() const { return caller_; }
  const typename Request::Header& header() const { return header_; }
  Upload& upload() { return upload_; }

 private:
  // One message after the other; what one has left, the next one finds.
  absl::Status Go(bool ok) {
    absl::MutexLock lock(&mutex_);
    // No more messages: the upload is whole, or the caller has gone.
    return ok ? Take() : End();
  }

  absl::Status Take() { return upload_.begun() ? TakeData() : TakeHeader(); }

  absl::Status TakeHeader() {
    // Authorised before the first byte is kept.
    VX_ASSIGN_OR_RETURN(caller_, context_.authorizer.Authorize(call_->peer(), message_));
    if (!message_.has_header()) {
      return InvalidFields({{"header", "is missing: it has to be the first message"}});
    }
    header_ = message_.header();
    return upload_.Begin(context_.spool_dir);
  }

  absl::Status TakeData() {
    if (message_.has_header()) return InvalidFields({{"header", "was sent twice"}});
    See(message_.data());
    return upload_.Write(message_.data());
  }

  absl::Status End() {
    if (call_->IsCancelled()) return absl::CancelledError("the caller has gone");
    if (!upload_.begun()) return InvalidFields({{"header", "is missing"}});
    return Submit();
  }

  const Context& context_;
  grpc::CallbackServerContext* call_;
  absl::Mutex mutex_;
  Request message_;
  Caller caller_;
  typename Request::Header header_;
  Upload upload_;
};

}  // namespace vx::service
