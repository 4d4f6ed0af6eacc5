#include "daemon/base/delayed_work.h"

#include <utility>

#include "absl/time/clock.h"

namespace vx {

DelayedWork::~DelayedWork() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    changed_.SignalAll();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

void DelayedWork::RunAfter(absl::Duration delay, std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  if (closing_) return;
  tasks_.emplace(absl::Now() + delay, std::move(task));
  changed_.SignalAll();
  if (!thread_.joinable()) thread_ = std::thread([this] { Loop(); });
}

void DelayedWork::Loop() {
  mutex_.Lock();
  while (!closing_) {
    const absl::Time next = tasks_.empty() ? absl::InfiniteFuture() : tasks_.begin()->first;
    if (absl::Now() < next) {
      changed_.WaitWithDeadline(&mutex_, next);
      continue;
    }
    std::function<void()> task = std::move(tasks_.begin()->second);
    tasks_.erase(tasks_.begin());
    mutex_.Unlock();
    task();
    mutex_.Lock();
  }
  mutex_.Unlock();
}

}  // namespace vx
