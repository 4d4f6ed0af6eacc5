#include "daemon/base/work_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "absl/synchronization/barrier.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"

namespace vx {
namespace {

TEST(WorkPoolTest, RunsTasksAtOnceUpToItsBound) {
  WorkPool pool("test", 3);
  // Three meet only when three run at once.
  auto* barrier = new absl::Barrier(3);
  absl::BlockingCounter done(3);
  for (int i = 0; i < 3; ++i) {
    pool.Run([&] {
      if (barrier->Block()) delete barrier;
      done.DecrementCount();
    });
  }
  done.Wait();
}

TEST(WorkPoolTest, NeverRunsMoreThanItsBound) {
  std::atomic<int> running = 0, most = 0;
  {
    WorkPool pool("test", 2);
    for (int i = 0; i < 200; ++i) {
      pool.Run([&] {
        const int now = ++running;
        int seen = most;
        while (now > seen && !most.compare_exchange_weak(seen, now)) {
        }
        --running;
      });
    }
  }
  EXPECT_LE(most, 2);
  EXPECT_GE(most, 1);
}

TEST(WorkPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    WorkPool pool("test", 1);
    for (int i = 0; i < 100; ++i) pool.Run([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(WorkPoolTest, DestructionRunsWhatIsQueuedAndWhatThatQueues) {
  std::atomic<int> ran = 0;
  auto pool = std::make_unique<WorkPool>("test", 2);
  absl::Notification closing;
  WorkPool* borrowed = pool.get();
  for (int i = 0; i < 2; ++i) {
    pool->Run([&, borrowed] {
      closing.WaitForNotification();
      borrowed->Run([&] { ++ran; });
      ++ran;
    });
  }
  for (int i = 0; i < 50; ++i) pool->Run([&] { ++ran; });
  closing.Notify();
  pool.reset();
  EXPECT_EQ(ran, 54);
}

TEST(WorkPoolTest, AnUnusedPoolEnds) { WorkPool pool("test", 4); }

}  // namespace
}  // namespace vx
