// Notices that the out-of-memory killer struck in a run's group, and tells of it at a
// bearable rate: whoever is in the group may bring a strike about at will.
//
// A notice may come before the kernel has counted, so the count is looked at for a while
// after each.
#pragma once

#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/delayed_work.h"
#include "daemon/base/watcher.h"
#include "plugins/cgroup/cgroup.h"

namespace vx::container {

// Thread-safe. The watch in the Watcher owns it.
class OomWatch : public std::enable_shared_from_this<OomWatch> {
 public:
  // Watches until the watch of that id is removed, which has to be with the group's end
  // at the latest. `struck` is called on `later`'s thread when there were more strikes
  // than before, soon after the first and then once a second at most; it may be being
  // called still when the watch was removed. `later` has to outlive the watcher.
  static absl::StatusOr<Watcher::Id> Begin(Watcher& watcher, DelayedWork& later,
                                           std::unique_ptr<cgroup::Cgroup> group,
                                           std::function<void()> struck);

 private:
  OomWatch(DelayedWork* later, std::unique_ptr<cgroup::Cgroup> group, cgroup::OomNotice notice,
           std::function<void()> struck);

  void OnNotice();
  void LookLater();
  void Look();
  // Whether there is something new to tell.
  bool IsNews();

  DelayedWork* const later_;
  const std::unique_ptr<cgroup::Cgroup> group_;
  cgroup::OomNotice notice_;  // the watcher's thread's
  const std::function<void()> struck_;

  absl::Mutex mutex_;
  int64_t told_ ABSL_GUARDED_BY(mutex_);
  // How many times it will look yet, and how many of these it will not tell.
  int looks_ ABSL_GUARDED_BY(mutex_) = 0;
  int quiet_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace vx::container
