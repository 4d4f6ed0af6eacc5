// Waits for the ends of shims, all in one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vx::container {

class Watcher {
 public:
  // Called in the watcher's thread with the uid of each watched shim that ended,
  // once.
  using OnEnd = std::function<void(const std::string& uid)>;

  explicit Watcher(OnEnd on_end) : on_end_(std::move(on_end)) {}
  // Returns when no call is in progress.
  ~Watcher();

  absl::Status Start();

  // `pidfd` is borrowed until the end was told or Forget returned.
  absl::Status Watch(const std::string& uid, int pidfd);
  // The end will not be told any more, but may be being told now.
  void Forget(const std::string& uid);

 private:
  struct Watched {
    std::string uid;
    int pidfd;
  };

  void Loop();
  void Tell(uint64_t token);

  const OnEnd on_end_;
  UniqueFd epoll_;
  UniqueFd stop_;  // eventfd
  absl::Mutex mutex_;
  uint64_t next_token_ ABSL_GUARDED_BY(mutex_) = 1;  // 0 is stop_
  std::map<uint64_t, Watched> watched_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace vx::container
