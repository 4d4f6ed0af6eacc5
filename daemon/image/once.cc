#include "daemon/image/once.h"

namespace vx::image {

absl::Status Once::Do(const std::string& key, const std::function<absl::Status()>& make) {
  {
    absl::MutexLock lock(&mutex_);
    auto is_free = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !busy_.contains(key); };
    mutex_.Await(absl::Condition(&is_free));
    busy_.insert(key);
  }
  absl::Status status = make();
  absl::MutexLock lock(&mutex_);
  busy_.erase(key);
  return status;
}

}  // namespace vx::image
