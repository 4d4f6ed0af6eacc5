// One thread that waits for descriptors: processes that end, files that appear, notices.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vx {

// Thread-safe.
class Watcher {
 public:
  // Of one watch; never used again.
  using Id = uint64_t;
  using Ready = std::function<bool()>;

  // `thread` is the thread's name, of at most 15 characters.
  explicit Watcher(const char* thread = "vx-watch");
  // Returns when no callback runs any more.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  // Takes `fd` and calls `ready` on the watcher's thread whenever it is readable, until
  // that returns false; then closes it. `ready` must not block for long. An error when
  // the kernel has no room for one more: then it is closed at once.
  absl::StatusOr<Id> Add(UniqueFd fd, Ready ready);
  // The same for other events of epoll's (EPOLLOUT, EPOLLPRI).
  absl::StatusOr<Id> Add(UniqueFd fd, uint32_t events, Ready ready);
  // The same for a descriptor that stays open for as long as `ready` exists, by what that
  // holds.
  absl::StatusOr<Id> AddBorrowed(int fd, uint32_t events, Ready ready);

  // Ends a watch: `ready` will not be called any more, but may be running now. Fine when
  // it has ended.
  void Remove(Id id);

 private:
  struct Watch {
    UniqueFd owned;
    int fd;
    Ready ready;
  };

  absl::StatusOr<Id> AddWatch(UniqueFd owned, int fd, uint32_t events, Ready ready);
  void Loop();
  void Dispatch(Id id);

  UniqueFd epoll_;
  UniqueFd stop_;  // eventfd
  absl::Mutex mutex_;
  Id next_id_ ABSL_GUARDED_BY(mutex_) = 1;  // 0 is stop_
  std::map<Id, std::shared_ptr<Watch>> watches_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace vx
