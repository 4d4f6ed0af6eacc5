#include "daemon/service/listener.h"

#include <gtest/gtest.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <set>

#include "absl/synchronization/mutex.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"

namespace vx::service {
namespace {

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() {
    char path[] = "/tmp/vx-lst-XXXXXX";
    dir_ = mkdtemp(path);
    path_ = dir_ + "/s";
  }
  ~ListenerTest() override { (void)RemoveTree(dir_); }

  UniqueFd Connect() {
    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, path_.c_str());
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) < 0) fd.reset();
    return fd;
  }

  std::string dir_, path_;
};

TEST_F(ListenerTest, TheSocketIsForItsGroupAloneOrForItsOwner) {
  struct stat st;
  {
    auto socket = BindSocket(path_, getgrgid(getegid())->gr_name);
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_EQ(stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0660u);
  }
  for (const char* none : {"", "no-such-group"}) {
    auto socket = BindSocket(path_, none);
    ASSERT_TRUE(socket.ok()) << socket.status();
    ASSERT_EQ(stat(path_.c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
  }
}

TEST_F(ListenerTest, ADeadDaemonsSocketIsReplacedALiveOnesIsNot) {
  { auto dead = BindSocket(path_, ""); }
  auto live = BindSocket(path_, "");
  ASSERT_TRUE(live.ok()) << live.status();
  EXPECT_EQ(ErrorReason(BindSocket(path_, "").status()), "SOCKET_IN_USE");
}

TEST_F(ListenerTest, APathThatIsTooLongIsRefused) {
  EXPECT_EQ(ErrorReason(BindSocket("/tmp/" + std::string(200, 'x'), "").status()),
            "SOCKET_PATH_TOO_LONG");
}

TEST_F(ListenerTest, EveryConnectionIsKnownByItsNumberAndNumbersAreNotUsedAgainSoon) {
  constexpr int kConnections = 2000;
  Peers peers;
  absl::Mutex mutex;
  std::set<int> numbers;
  int accepted = 0;
  Listener listener(*BindSocket(path_, ""), peers, [&](UniqueFd fd) {
    absl::MutexLock lock(&mutex);
    numbers.insert(fd.get());
    ++accepted;
  });
  for (int i = 0; i < kConnections; ++i) {
    UniqueFd client = Connect();
    ASSERT_TRUE(client.valid());
    absl::MutexLock lock(&mutex);
    auto done = [&] { return accepted > i; };
    mutex.Await(absl::Condition(&done));
  }
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  absl::MutexLock lock(&mutex);
  const size_t range = limit.rlim_cur > 2048 + kConnections ? kConnections : 0;
  EXPECT_GE(numbers.size(), range);
  for (int number : numbers) {
    auto peer = peers.Find("fd:" + std::to_string(number));
    ASSERT_TRUE(peer.has_value());
    EXPECT_EQ(peer->uid, geteuid());
  }
  EXPECT_FALSE(peers.Find("fd:1").has_value());
  EXPECT_FALSE(peers.Find("ipv4:1.2.3.4:5").has_value());
}

}  // namespace
}  // namespace vx::service
