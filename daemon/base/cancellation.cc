#include "daemon/base/cancellation.h"

#include <sys/eventfd.h>

#include "daemon/base/error.h"

namespace vx {

absl::Status CancelledError() {
  return Error(absl::StatusCode::kCancelled, "CANCELLED", "the operation was cancelled");
}

// Under the lock all through, so that a Hook's end waits for its callback.
void Cancellation::Cancel() {
  absl::MutexLock lock(&mutex_);
  if (std::exchange(cancelled_, true)) return;
  for (const std::function<void()>& callback : callbacks_) callback();
}

bool Cancellation::cancelled() const {
  absl::MutexLock lock(&mutex_);
  return cancelled_;
}

absl::Status Cancellation::Check() const {
  return cancelled() ? CancelledError() : absl::OkStatus();
}

Cancellation::Hook Cancellation::OnCancel(std::function<void()> callback) {
  absl::MutexLock lock(&mutex_);
  if (cancelled_) callback();
  return Hook(this, callbacks_.insert(callbacks_.end(), std::move(callback)));
}

Cancellation::Hook::~Hook() {
  if (cancellation_ == nullptr) return;
  absl::MutexLock lock(&cancellation_->mutex_);
  cancellation_->callbacks_.erase(at_);
}

CancellationFd::CancellationFd(Cancellation& cancellation)
    : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      hook_(cancellation.OnCancel([fd = fd_.get()] { eventfd_write(fd, 1); })) {}

}  // namespace vx
