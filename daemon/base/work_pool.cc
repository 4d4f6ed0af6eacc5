#include "daemon/base/work_pool.h"

#include <pthread.h>

#include <utility>

namespace vx {

WorkPool::WorkPool(std::string name, int threads) : name_(std::move(name)), limit_(threads) {}

WorkPool::~WorkPool() {
  std::vector<std::thread> threads;
  {
    absl::MutexLock lock(&mutex_);
    closing_ = true;
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
}

void WorkPool::Run(std::function<void()> task) {
  absl::MutexLock lock(&mutex_);
  queue_.push_back(std::move(task));
  const bool all_busy = static_cast<int>(queue_.size()) > idle_;
  if (all_busy && static_cast<int>(threads_.size()) < limit_ && !closing_) {
    threads_.emplace_back([this] { Work(); });
  }
}

void WorkPool::Work() {
  pthread_setname_np(pthread_self(), name_.c_str());
  auto ready = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return closing_ || !queue_.empty(); };
  while (true) {
    std::function<void()> task;
    {
      absl::MutexLock lock(&mutex_);
      ++idle_;
      mutex_.Await(absl::Condition(&ready));
      --idle_;
      if (queue_.empty()) return;
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace vx
