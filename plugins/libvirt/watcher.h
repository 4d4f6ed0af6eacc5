// One thread that waits for descriptors: processes that end, files that appear.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vx::libvirt {

// Thread-safe.
class Watcher {
 public:
  Watcher();
  // Returns when no callback runs any more.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Takes `fd` and calls `ready` on the watcher's thread whenever it is readable, until
  // that returns false; then closes it. `ready` must not block for long.
  void Add(UniqueFd fd, std::function<bool()> ready);
  // The same for other events of epoll's (EPOLLOUT).
  void Add(UniqueFd fd, uint32_t events, std::function<bool()> ready);

 private:
  struct Watch {
    UniqueFd fd;
    std::function<bool()> ready;
  };

  void Loop();
  void Dispatch(int fd);

  UniqueFd epoll_;
  UniqueFd stop_;
  absl::Mutex mutex_;
  std::map<int, std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace vx::libvirt
