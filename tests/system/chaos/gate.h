// Through which threads pass between two steps, and behind which they can be held.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace vx::system_test {

// Thread-safe.
class Gate {
 public:
  // How many threads pass through it.
  explicit Gate(int threads) : threads_(threads) {}

  // Waits while the gate is shut; false once it is shut for ever.
  bool Pass() {
    absl::MutexLock lock(&mutex_);
    ++waiting_;
    auto may_go = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return open_ || over_; };
    mutex_.Await(absl::Condition(&may_go));
    --waiting_;
    return !over_;
  }

  // Returns when every thread stands before it.
  void Shut() {
    absl::MutexLock lock(&mutex_);
    open_ = false;
    auto all_wait = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return waiting_ == threads_; };
    mutex_.Await(absl::Condition(&all_wait));
  }

  void Open() {
    absl::MutexLock lock(&mutex_);
    open_ = true;
  }

  // Sends all home.
  void Close() {
    absl::MutexLock lock(&mutex_);
    over_ = true;
  }

 private:
  const int threads_;
  absl::Mutex mutex_;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vx::system_test
