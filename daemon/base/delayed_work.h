// Work for later.
#pragma once

#include <functional>
#include <map>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace vx {

// Runs each task once, at its time or a little later, in a thread of its own that
// begins with the first task: tasks must be quick. Thread-safe.
class DelayedWork {
 public:
  DelayedWork() = default;
  // Forgets what has not begun.
  ~DelayedWork();
  DelayedWork(const DelayedWork&) = delete;
  DelayedWork& operator=(const DelayedWork&) = delete;

  void RunAfter(absl::Duration delay, std::function<void()> task);

 private:
  void Loop();

  absl::Mutex mutex_;
  absl::CondVar changed_;
  std::multimap<absl::Time, std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx
