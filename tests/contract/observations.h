// Keeps what a driver told its observer.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/driver/driver.h"

namespace vx::contract {

// Thread-safe.
class Observations {
 public:
  // For SetObserver; this must outlive it.
  driver::Observer AsObserver();

  // Waits until the driver has told of an end of `uid`'s run since the last Forget;
  // false when `timeout` is over first.
  bool WaitForEnd(const std::string& uid, absl::Duration timeout, driver::Observation* end);
  // Waits until what was told of `uid` last is `presence`; false after `timeout`.
  bool WaitFor(const std::string& uid, driver::Presence presence, absl::Duration timeout);
  void Forget(const std::string& uid);
  // How often the observer was called.
  int calls() const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, driver::Observation> ends_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, driver::Presence> last_ ABSL_GUARDED_BY(mutex_);
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace vx::contract
