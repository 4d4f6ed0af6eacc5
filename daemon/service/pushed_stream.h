// A server stream that is fed by pushing: a thread of the slow pool makes the pieces and
// waits for each write.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/work_pool.h"
#include "daemon/service/rpc_error.h"

namespace vx::service {

// Owns itself. `Response` has a field `data`.
template <typename Response>
class PushedStream : public grpc::ServerWriteReactor<Response> {
 public:
  // Takes a piece; CANCELLED when the caller has gone.
  using Sink = std::function<absl::Status(absl::string_view)>;

  // Runs `source` on the pool; its status ends the stream.
  void Begin(WorkPool& pool, std::function<absl::Status(const Sink&)> source) {
    pool.Run([this, source = std::move(source)] {
      absl::Status status = source([this](absl::string_view piece) { return Send(piece); });
      this->Finish(ToGrpc(status));
    });
  }

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    writing_ = false;
    if (!ok) gone_ = true;
  }
  void OnCancel() override {
    absl::MutexLock lock(&mutex_);
    gone_ = true;
  }
  void OnDone() override { delete this; }

 private:
  absl::Status Send(absl::string_view piece) {
    message_.set_data(piece.data(), piece.size());
    {
      absl::MutexLock lock(&mutex_);
      if (gone_) return Gone();
      writing_ = true;
    }
    this->StartWrite(&message_);
    absl::MutexLock lock(&mutex_);
    auto written = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !writing_; };
    mutex_.Await(absl::Condition(&written));
    return gone_ ? Gone() : absl::OkStatus();
  }
  static absl::Status Gone() { return absl::CancelledError("the caller has gone"); }

  Response message_;
  absl::Mutex mutex_;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vx::service
