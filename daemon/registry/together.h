// Work of several threads that ends as a whole.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/cancellation.h"
#include "daemon/base/status_macros.h"

namespace vx::registry {

// When one of them fails, or the user cancels it. Thread-safe.
class Together {
 public:
  explicit Together(Cancellation& outer)
      : outer_(outer), hook_(outer.OnCancel([this] { stop_.Cancel(); })) {}

  Cancellation& stop() { return stop_; }

  void Note(const absl::Status& status) {
    if (status.ok()) return;
    {
      absl::MutexLock lock(&mutex_);
      if (first_.ok()) first_ = status;
    }
    stop_.Cancel();
  }

  // Once all have ended: what ended them.
  absl::Status Outcome() {
    VX_RETURN_IF_ERROR(outer_.Check());
    absl::MutexLock lock(&mutex_);
    return first_;
  }

 private:
  Cancellation& outer_;
  Cancellation stop_;
  Cancellation::Hook hook_;
  absl::Mutex mutex_;
  absl::Status first_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::registry
