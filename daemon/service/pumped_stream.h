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
    RunPump();
  }

  void OnWriteDone(bool ok) override {
    HandOver();
    if (!ok) failed_ = true;
    if (ok && ProducesAtOnce()) {
      if (auto end = Pump()) pool_.Run([this, status = *end] { End(status); });
    } else {
      RunPump();
    }
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
  // Produce never waits for anything, so that it need not be called from the pool.
  virtual bool ProducesAtOnce() const { return false; }
  // Before the stream ends: nothing may call Wake after it returns. From the pool.
  virtual void Stop() = 0;

  // What this thread has left, to the thread that comes next.
  void HandOver() { absl::MutexLock lock(&mutex_); }

 private:
  void RunPump() {
    pool_.Run([this] {
      if (auto end = Pump()) End(*end);
    });
  }

  // Runs while busy_ is ours. With what the stream is to end with, if it is.
  std::optional<absl::Status> Pump() {
    while (true) {
      {
        absl::MutexLock lock(&mutex_);
        woken_ = false;
      }
      if (cancelled_ || failed_) return absl::CancelledError("the caller has gone");
      Next next = Produce(message_);
      if (next.write) {
        HandOver();
        this->StartWrite(&message_);
        return std::nullopt;
      }
      if (next.end) return next.end;
      absl::MutexLock lock(&mutex_);
      if (woken_) continue;
      busy_ = false;
      return std::nullopt;
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
