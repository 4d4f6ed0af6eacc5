#include "daemon/base/watcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <atomic>

#include "absl/synchronization/notification.h"

namespace vx {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

UniqueFd Event(unsigned value = 0) {
  return UniqueFd(eventfd(value, EFD_CLOEXEC | EFD_NONBLOCK));
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

// Returns once the watcher's thread has done what it was woken for before.
void Pass(Watcher& watcher) {
  absl::Notification passed;
  auto added = watcher.Add(Event(1), [&] {
    passed.Notify();
    return false;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  ASSERT_TRUE(passed.WaitForNotificationWithTimeout(kPatience));
}

TEST(WatcherTest, CallsUntilItIsToldToStop) {
  Watcher watcher;
  std::atomic<int> calls = 0;
  absl::Notification last;
  auto added = watcher.Add(Event(1), [&] {
    if (++calls < 3) return true;
    last.Notify();
    return false;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  ASSERT_TRUE(last.WaitForNotificationWithTimeout(kPatience));
  EXPECT_EQ(calls, 3);
}

TEST(WatcherTest, ADescriptorMayBeAddedFromACallback) {
  Watcher watcher;
  absl::Notification inner;
  auto added = watcher.Add(Event(1), [&] {
    watcher
        .Add(Event(1),
             [&] {
               inner.Notify();
               return false;
             })
        .IgnoreError();
    return false;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  EXPECT_TRUE(inner.WaitForNotificationWithTimeout(kPatience));
}

TEST(WatcherTest, EndsWithWatchesThatNeverFired) {
  Watcher watcher;
  watcher
      .Add(Event(),
           [] {
             ADD_FAILURE() << "it was never readable";
             return false;
           })
      .IgnoreError();
}

TEST(WatcherTest, WhatWasRemovedIsClosedAndNotCalled) {
  Watcher watcher;
  UniqueFd event = Event();
  const int number = event.get();
  // The file itself stays open.
  UniqueFd other(fcntl(number, F_DUPFD_CLOEXEC, 0));
  auto added = watcher.Add(std::move(event), [] {
    ADD_FAILURE() << "it was removed";
    return false;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  watcher.Remove(*added);
  EXPECT_FALSE(IsOpen(number));
  eventfd_write(other.get(), 1);
  Pass(watcher);
  watcher.Remove(*added);
}

TEST(WatcherTest, AWatchMayRemoveItself) {
  Watcher watcher;
  std::atomic<int> calls = 0;
  std::atomic<Watcher::Id> id = 0;
  UniqueFd event = Event();
  UniqueFd other(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  auto added = watcher.Add(std::move(event), [&] {
    ++calls;
    watcher.Remove(id);
    return true;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  id = *added;
  eventfd_write(other.get(), 1);
  while (calls == 0) Pass(watcher);
  Pass(watcher);
  EXPECT_EQ(calls, 1);
}

TEST(WatcherTest, WhatWasBorrowedLivesAsLongAsItsCallback) {
  Watcher watcher;
  auto event = std::make_shared<UniqueFd>(Event(1));
  const std::weak_ptr<UniqueFd> lives = event;
  absl::Notification called;
  auto added = watcher.AddBorrowed(event->get(), EPOLLIN, [event, &called] {
    called.Notify();
    return false;
  });
  ASSERT_TRUE(added.ok()) << added.status();
  event.reset();
  ASSERT_TRUE(called.WaitForNotificationWithTimeout(kPatience));
  Pass(watcher);
  EXPECT_TRUE(lives.expired());
}

TEST(WatcherTest, WhatCantBeWatchedIsRefused) {
  Watcher watcher;
  UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(watcher.Add(std::move(file), [] { return false; }).ok());
}

}  // namespace
}  // namespace vx
