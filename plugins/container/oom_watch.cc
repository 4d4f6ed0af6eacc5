#include "plugins/container/oom_watch.h"

#include <algorithm>
#include <utility>

#include "daemon/base/status_macros.h"

namespace vx::container {
namespace {

// A second in all.
constexpr absl::Duration kBetweenLooks = absl::Milliseconds(20);
constexpr int kLooks = 50;

}  // namespace

OomWatch::OomWatch(DelayedWork* later, std::unique_ptr<cgroup::Cgroup> group,
                   cgroup::OomNotice notice, std::function<void()> struck)
    : later_(later),
      group_(std::move(group)),
      notice_(std::move(notice)),
      struck_(std::move(struck)),
      told_(group_->OomKills()) {}

absl::StatusOr<Watcher::Id> OomWatch::Begin(Watcher& watcher, DelayedWork& later,
                                            std::unique_ptr<cgroup::Cgroup> group,
                                            std::function<void()> struck) {
  VX_ASSIGN_OR_RETURN(cgroup::OomNotice notice, group->WatchOom());
  std::shared_ptr<OomWatch> watch(
      new OomWatch(&later, std::move(group), std::move(notice), std::move(struck)));
  return watcher.AddBorrowed(watch->notice_.fd(), watch->notice_.events(), [watch] {
    watch->OnNotice();
    return true;
  });
}

void OomWatch::OnNotice() {
  notice_.Drain();
  absl::MutexLock lock(&mutex_);
  const bool looking = looks_ > 0;
  looks_ = std::max(looks_, notice_.counts_first() ? 1 : kLooks);
  if (!looking) LookLater();
}

void OomWatch::LookLater() {
  later_->RunAfter(kBetweenLooks, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->Look();
  });
}

void OomWatch::Look() {
  if (IsNews()) struck_();
  absl::MutexLock lock(&mutex_);
  // What was not told, as it came too soon, is not forgotten.
  looks_ = std::max(looks_ - 1, quiet_);
  if (looks_ > 0) LookLater();
}

bool OomWatch::IsNews() {
  absl::MutexLock lock(&mutex_);
  if (quiet_ > 0) --quiet_;
  const int64_t kills = group_->OomKills();
  if (quiet_ > 0 || kills <= told_) return false;
  told_ = kills;
  quiet_ = kLooks;
  return true;
}

}  // namespace vx::container
