#include "daemon/image/once.h"

#include <optional>

#include "daemon/base/status_macros.h"

namespace vx::image {

absl::Status Once::Begin(const std::string& key, Cancellation* cancellation) {
  bool cancelled = false, begun = false;
  std::optional<Cancellation::Hook> hook;
  if (cancellation != nullptr) {
    hook.emplace(cancellation->OnCancel([&] {
      absl::MutexLock lock(&mutex_);
      cancelled = true;
    }));
  }
  {
    absl::MutexLock lock(&mutex_);
    auto may_go_on = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return cancelled || !busy_.contains(key);
    };
    mutex_.Await(absl::Condition(&may_go_on));
    begun = !cancelled;
    if (begun) busy_.insert(key);
  }
  // The hook ends without the lock, which its callback takes.
  return begun ? absl::OkStatus() : CancelledError();
}

absl::Status Once::Do(const std::string& key, const std::function<absl::Status()>& make,
                      Cancellation* cancellation) {
  VX_RETURN_IF_ERROR(Begin(key, cancellation));
  absl::Status status = make();
  absl::MutexLock lock(&mutex_);
  busy_.erase(key);
  return status;
}

}  // namespace vx::image
