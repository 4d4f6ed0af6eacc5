// The watchdog, with this test as the service manager.
#include "daemon/watchdog.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx {
namespace {

class WatchdogTest : public testing::Test {
 protected:
  WatchdogTest() : manager_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    (dir_ / "notify").copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(bind(manager_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    setenv("WATCHDOG_USEC", "20000", 1);
    unsetenv("WATCHDOG_PID");
  }
  ~WatchdogTest() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }

  // What vxd said; waits for it unless `flags` has MSG_DONTWAIT.
  std::string Receive(int flags = 0) {
    char text[64];
    const ssize_t n = recv(manager_.get(), text, sizeof text, flags);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

  TempDir dir_;
  UniqueFd manager_;
};

TEST_F(WatchdogTest, PingsAgainAndAgainWhileWorkGetsThrough) {
  Watchdog watchdog([](std::function<void()> passed) { passed(); });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Receive(), "WATCHDOG=1");
}

TEST_F(WatchdogTest, SaysNothingForWorkThatIsStuckAndAsksForNoMore) {
  absl::Mutex mutex;
  std::function<void()> held;
  std::atomic<int> asked = 0;
  absl::Notification first, second;
  Watchdog watchdog([&](std::function<void()> passed) {
    absl::MutexLock lock(&mutex);
    if (++asked == 1) {
      held = std::move(passed);
      first.Notify();
    } else if (asked == 2) {
      second.Notify();
    }
  });
  first.WaitForNotification();
  EXPECT_FALSE(second.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  EXPECT_EQ(Receive(MSG_DONTWAIT), "");
  absl::ReleasableMutexLock lock(&mutex);
  const std::function<void()> tell = held;
  lock.Release();
  tell();
  EXPECT_EQ(Receive(), "WATCHDOG=1");
  second.WaitForNotification();
}

TEST_F(WatchdogTest, AProofAfterItsEndIsNoPing) {
  std::function<void()> held;
  absl::Notification asked;
  {
    Watchdog watchdog([&](std::function<void()> passed) {
      held = std::move(passed);
      asked.Notify();
    });
    asked.WaitForNotification();
  }
  held();
  EXPECT_EQ(Receive(MSG_DONTWAIT), "");
}

TEST_F(WatchdogTest, DoesNothingWhereNobodyAsks) {
  unsetenv("WATCHDOG_USEC");
  bool asked = false;
  {
    Watchdog watchdog([&](std::function<void()>) { asked = true; });
  }
  EXPECT_FALSE(asked);
}

TEST_F(WatchdogTest, DoesNothingWhereAnotherProcessIsMeant) {
  setenv("WATCHDOG_PID", "1", 1);
  bool asked = false;
  {
    Watchdog watchdog([&](std::function<void()>) { asked = true; });
  }
  EXPECT_FALSE(asked);
}

TEST_F(WatchdogTest, AVxdInItsPlaceIsWatchedOn) {
  for (int life = 0; life < 2; ++life) {
    Watchdog watchdog([](std::function<void()> passed) { passed(); });
    EXPECT_EQ(Receive(), "WATCHDOG=1");
  }
}

}  // namespace
}  // namespace vx
