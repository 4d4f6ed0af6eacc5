// Calls back when a descriptor becomes readable, or writable; one thread for all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vx::service {

// Thread-safe.
class FdWaker {
 public:
  FdWaker();
  ~FdWaker();

  // Calls `wake` once, from the waker's thread, when `fd` is readable; `wake` must
  // be quick. A second Arm before that replaces the first.
  void Arm(int fd, std::function<void()> wake);
  // The same when it is writable. A descriptor is armed for one of them at a time.
  void ArmWritable(int fd, std::function<void()> wake);
  // After it returns, `wake` is not called any more. Before `fd` is closed.
  void Forget(int fd);

 private:
  void Loop();
  void ArmFor(uint32_t events, int fd, std::function<void()> wake);

  UniqueFd epoll_;
  UniqueFd stop_;
  absl::Mutex mutex_;
  absl::flat_hash_map<int, std::function<void()>> armed_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace vx::service
