#include "tests/contract/observations.h"

namespace vx::contract {

driver::Observer Observations::AsObserver() {
  return [this](const driver::Observation& seen) {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    last_[seen.uid] = seen.presence;
    if (seen.presence == driver::Presence::kExited) ends_[seen.uid] = seen;
  };
}

bool Observations::WaitForEnd(const std::string& uid, absl::Duration timeout,
                              driver::Observation* end) {
  absl::MutexLock lock(&mutex_);
  auto told = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return ends_.contains(uid); };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&told), timeout)) return false;
  *end = ends_[uid];
  return true;
}

bool Observations::WaitFor(const std::string& uid, driver::Presence presence,
                           absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  auto told = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    auto it = last_.find(uid);
    return it != last_.end() && it->second == presence;
  };
  return mutex_.AwaitWithTimeout(absl::Condition(&told), timeout);
}

void Observations::Forget(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  ends_.erase(uid);
}

int Observations::calls() const {
  absl::MutexLock lock(&mutex_);
  return calls_;
}

}  // namespace vx::contract
