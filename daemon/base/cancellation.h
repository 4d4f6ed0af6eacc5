// Tells work under way that nobody wants it any more.
#pragma once

#include <functional>
#include <list>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vx {

// CANCELLED (CANCELLED).
absl::Status CancelledError();

// Thread-safe.
class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // Once; calls what was registered, in this thread.
  void Cancel();
  bool cancelled() const;
  // CANCELLED (CANCELLED) once it is.
  absl::Status Check() const;

  // Calls `callback` when it is cancelled: at once if it is already. The callback
  // must be quick and must not use the Cancellation; nor may it be used under a lock
  // that the callback takes. It is not called, nor running, once the Hook has ended.
  class Hook;
  [[nodiscard]] Hook OnCancel(std::function<void()> callback);

 private:
  using Callbacks = std::list<std::function<void()>>;

  mutable absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  Callbacks callbacks_ ABSL_GUARDED_BY(mutex_);
};

class Cancellation::Hook {
 public:
  Hook(Hook&& other) noexcept
      : cancellation_(std::exchange(other.cancellation_, nullptr)), at_(other.at_) {}
  ~Hook();

 private:
  friend class Cancellation;
  Hook(Cancellation* cancellation, Callbacks::iterator at) : cancellation_(cancellation), at_(at) {}

  Cancellation* cancellation_;
  Callbacks::iterator at_;
};

// A descriptor that is readable once the Cancellation is cancelled, for poll.
class CancellationFd {
 public:
  // Borrows it.
  explicit CancellationFd(Cancellation& cancellation);

  int get() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  Cancellation::Hook hook_;
};

}  // namespace vx
