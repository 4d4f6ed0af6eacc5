// Faults and latencies on demand, for tests of what is above a driver.
//
// From options:
//   fake.fail      "METHOD:WHO[:TIMES],…"  METHOD fails for WHO (uid, name or *), the
//                                         first TIMES times (always)
//   fake.delay_ms  "METHOD=MS,…"
// METHOD: prepare create start stop kill pause resume update delete release.
// Both act at a method's beginning, before anything is changed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/driver/driver.h"

namespace vx::fake {

// Thread-safe.
class Hooks {
 public:
  explicit Hooks(const driver::Environment& environment);

  // INTERNAL (FAKE_FAULT) from `method` for `who`, `times` times; -1: always.
  void Fail(const std::string& method, const std::string& who, int times = -1)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Delay(const std::string& method, absl::Duration delay) ABSL_LOCKS_EXCLUDED(mutex_);
  void Clear() ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits and fails as it was told to. CANCELLED during the wait.
  absl::Status Enter(const std::string& method, const std::string& uid, const std::string& name,
                     Cancellation* cancellation = nullptr) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Fault {
    std::string method;
    std::string who;
    int times;
  };

  absl::Mutex mutex_;
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, absl::Duration> delays_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::fake
