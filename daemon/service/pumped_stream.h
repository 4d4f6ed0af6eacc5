// A stream of answers that is fed by pulling: whenever nothing is being written and
// there may be something to say, Produce is asked for the next message.
#pragma once

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/work_pool.h"
#include "daemon/service/rpc_error.h"

namespace vx::service {

// What to do next.
struct PumpNext {
  // A message was filled in.
  bool write = false;
  // The stream ends with this.
  std::optional<absl::Status> end;
  // Neither: wait for Wake.
};

// Owns itself. At most one thread is in Produce at a time.
template <typename Response, typename Reactor = grpc::ServerWriteReactor<Response>>
class PumpedStream : public Reactor {
 public:
  explicit PumpedStream(WorkPool& pool) : pool_(pool) {}

  // There may be something to say. Any thread; quick.
  void Wake() {
    {
      absl::MutexLock lock(&mutex_);
      woken_ = true;
      if (busy_ || finished_) return;
      busy_ = true;
    }
    pool_.Run([this] { Pump(); });
  }

  void OnWriteDone(bool ok) override {
    HandOver();
    if (!ok) failed_ = true;
    pool_.Run([this] { Pump(); });
  }
  void OnCancel() override {
    HandOver();
    cancelled_ = true;
    Wake();
  }
  void OnDone() override { delete this; }

 protected:
  using Next = PumpNext;
  virtual Next Produce(Response& message) = 0;
  // Before the stream ends: nothing may call Wake after it returns.
  virtual void Stop() = 0;

  // What this thread has left, to the thread that comes next.
  void HandOver() { absl::MutexLock lock(&mutex_); }

 private:
  // Runs while busy_ is ours.
  void Pump() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        woken_ = false;
      }
      if (cancelled_ || failed_) return End(absl::CancelledError("the caller has gone"));
      Next next = Produce(message_);
      if (next.write) {
        HandOver();
        return this->StartWrite(&message_);
      }
      if (next.end) return End(*next.end);
      absl::MutexLock lock(&mutex_);
      if (woken_) continue;
      busy_ = false;
      return;
    }
  }

  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      finished_ = true;
    }
    Stop();
    this->Finish(ToGrpc(status));
  }

  WorkPool& pool_;
  Response message_;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> failed_{false};
  absl::Mutex mutex_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vx::service
