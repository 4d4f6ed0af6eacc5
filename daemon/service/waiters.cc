#include "daemon/service/waiters.h"

#include <chrono>
#include <utility>

#include "absl/time/clock.h"

namespace vx::service {

bool WaitReactor::Take(Link& link) {
  absl::MutexLock lock(&link.mutex);
  return std::exchange(link.waiting, false);
}

void WaitReactor::FinishLater(std::function<absl::Status()> status) {
  context_.pool.Run([this, status = std::move(status)] {
    {
      // Both wait for who is still at it, and finds nothing to take any more.
      absl::MutexLock lock(&begin_mutex_);
      subscription_.End();
    }
    Finish(ToGrpc(status()));
  });
}

void WaitReactor::Settle(const absl::Status& status) {
  if (Take(*link_)) FinishLater([status] { return status; });
}

void WaitReactor::Begin(First first, Check check, std::optional<absl::Duration> timeout,
                        TimedOut timed_out) {
  absl::MutexLock begin(&begin_mutex_);
  if (timeout) {
    alarm_.Set(absl::ToChronoTime(absl::Now() + *timeout),
               // Whoever takes the call finishes it, so the reactor is alive then.
               [this, link = link_, timed_out = std::move(timed_out)](bool fired) {
                 if (fired && Take(*link)) FinishLater(timed_out);
               });
  }
  auto look = [&] { return Look([&] { return first(context_.core.store().Read()); }); };
  if (look()) return;
  subscription_ =
      context_.core.events().Subscribe([this, check = std::move(check)](const v1::Event& event) {
        Look([&] { return check(event); });
      });
  // What happened before that.
  look();
}

bool WaitReactor::Look(const std::function<std::optional<absl::Status>()>& how) {
  absl::MutexLock lock(&look_mutex_);
  {
    absl::MutexLock link(&link_->mutex);
    if (!link_->waiting) return true;
  }
  std::optional<absl::Status> settled = how();
  if (settled) Settle(*settled);
  return settled.has_value();
}

}  // namespace vx::service
