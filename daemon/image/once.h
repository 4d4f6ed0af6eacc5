// Makes things once, however many threads ask for them at the same time.
#pragma once

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/cancellation.h"

namespace vx::image {

// Thread-safe.
class Once {
 public:
  // Calls `make` with no other call for `key` in progress: those wait, and then
  // make it themselves, so `make` begins by looking whether it is there already.
  // CANCELLED when `cancellation`, if there is one, ends the waiting.
  absl::Status Do(const std::string& key, const std::function<absl::Status()>& make,
                  Cancellation* cancellation = nullptr);

 private:
  absl::Status Begin(const std::string& key, Cancellation* cancellation);

  absl::Mutex mutex_;
  absl::flat_hash_set<std::string> busy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::image
