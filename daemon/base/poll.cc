#include "daemon/base/poll.h"

#include <poll.h>

#include <algorithm>
#include <optional>

#include "absl/time/clock.h"

namespace vx {
namespace {

// Rounded up, so that a short time is not waited for in a loop.
int Milliseconds(absl::Duration left) {
  const int64_t count = absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(std::clamp<int64_t>(count, 0, 1 << 30));
}

}  // namespace

absl::Status WaitReadable(int fd, absl::Time deadline, Cancellation* cancellation) {
  std::optional<CancellationFd> cancelled;
  if (cancellation != nullptr) cancelled.emplace(*cancellation);
  pollfd fds[2] = {{fd, POLLIN, 0}, {cancelled ? cancelled->get() : -1, POLLIN, 0}};
  while (true) {
    const int n = poll(fds, 2, Milliseconds(deadline - absl::Now()));
    if (n > 0 && fds[0].revents != 0) return absl::OkStatus();
    if (n > 0) return cancellation->Check();
    if (n == 0 && absl::Now() >= deadline) return absl::DeadlineExceededError("waited too long");
  }
}

}  // namespace vx
