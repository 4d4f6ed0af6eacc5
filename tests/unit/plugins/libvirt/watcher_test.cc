#include "plugins/libvirt/watcher.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace vx::libvirt {
namespace {

UniqueFd Event() { return UniqueFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

TEST(WatcherTest, CallsUntilItIsToldToStop) {
  Watcher watcher;
  UniqueFd event = Event();
  eventfd_write(event.get(), 1);
  std::atomic<int> calls = 0;
  absl::Notification last;
  watcher.Add(std::move(event), [&] {
    if (++calls < 3) return true;
    last.Notify();
    return false;
  });
  ASSERT_TRUE(last.WaitForNotificationWithTimeout(absl::Seconds(10)));
  EXPECT_EQ(calls, 3);
}

TEST(WatcherTest, ADescriptorMayBeAddedFromACallback) {
  Watcher watcher;
  UniqueFd event = Event();
  eventfd_write(event.get(), 1);
  absl::Notification inner;
  watcher.Add(std::move(event), [&] {
    UniqueFd second = Event();
    eventfd_write(second.get(), 1);
    watcher.Add(std::move(second), [&] {
      inner.Notify();
      return false;
    });
    return false;
  });
  EXPECT_TRUE(inner.WaitForNotificationWithTimeout(absl::Seconds(10)));
}

TEST(WatcherTest, EndsWithWatchesThatNeverFired) {
  Watcher watcher;
  watcher.Add(Event(), [] {
    ADD_FAILURE() << "it was never readable";
    return false;
  });
}

}  // namespace
}  // namespace vx::libvirt
