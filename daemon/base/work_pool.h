// A bounded set of threads for blocking work.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace vx {

// Runs tasks in the order given, at most `threads` at once. Threads are started
// on demand and end with the pool. Thread-safe.
class WorkPool {
 public:
  // `name` (15 characters at most) is what ps and gdb show.
  WorkPool(std::string name, int threads);
  // Runs what is queued, then joins.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  void Run(std::function<void()> task);

 private:
  void Work();

  const std::string name_;
  const int limit_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  int idle_ ABSL_GUARDED_BY(mutex_) = 0;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vx
