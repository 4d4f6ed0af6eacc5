#include "client/lib/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"

namespace vx::client {
namespace {

class TargetTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(testing::TempDir(), "vx-target-XXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    dir_ = pattern;
    socket_ = dir_ + "/vxd.sock";
  }

  void TearDown() override {
    EXPECT_TRUE(RemoveTree(dir_).ok());
    unsetenv("VX_HOST");
  }

  // A socket at the path, which somebody listens on.
  void Listen() {
    listener_.reset(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, socket_.data(), socket_.size());
    ASSERT_EQ(bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    ASSERT_EQ(listen(listener_.get(), 1), 0);
  }

  absl::Status Try() { return Connect({"", socket_}, absl::Milliseconds(100)).status(); }

  std::string dir_;
  std::string socket_;
  UniqueFd listener_;
};

TEST_F(TargetTest, TheFlagWinsOverTheEnvironment) {
  unsetenv("VX_HOST");
  EXPECT_EQ(ChooseTarget(""), "unix:///run/vx/vxd.sock");
  setenv("VX_HOST", "unix:///a", 1);
  EXPECT_EQ(ChooseTarget(""), "unix:///a");
  EXPECT_EQ(ChooseTarget("unix:///b"), "unix:///b");
  setenv("VX_HOST", "", 1);
  EXPECT_EQ(ChooseTarget(""), "unix:///run/vx/vxd.sock");
}

TEST_F(TargetTest, ParsesSockets) {
  EXPECT_EQ(ParseTarget("unix:///run/vx/vxd.sock")->socket, "/run/vx/vxd.sock");
  EXPECT_EQ(ParseTarget("/run/vx/vxd.sock")->socket, "/run/vx/vxd.sock");
}

TEST_F(TargetTest, SaysWhatIsNotSupportedYet) {
  EXPECT_EQ(ErrorReason(ParseTarget("tls://host:1234").status()), "NOT_YET");
  EXPECT_EQ(ErrorReason(ParseTarget("office").status()), "NOT_YET");
}

TEST_F(TargetTest, RefusesWhatIsNoTarget) {
  for (const char* text : {"", "unix://relative", "unix://", "http://x", "host:1234", "./sock"}) {
    absl::Status status = ParseTarget(text).status();
    EXPECT_EQ(ErrorReason(status), "BAD_HOST") << text;
    EXPECT_NE(ErrorHint(status), "") << text;
  }
}

TEST_F(TargetTest, ConnectsToAListener) {
  Listen();
  EXPECT_TRUE(Try().ok()) << Try();
}

TEST_F(TargetTest, TellsThatNothingIsThere) {
  absl::Status status = Try();
  EXPECT_EQ(ErrorReason(status), "NO_DAEMON");
  EXPECT_EQ(status.message(), absl::StrCat("no vxd answers at ", socket_));
  EXPECT_NE(ErrorHint(status), "");
}

TEST_F(TargetTest, TellsThatNobodyListens) {
  Listen();
  listener_.reset();
  EXPECT_EQ(ErrorReason(Try()), "NO_DAEMON");
}

TEST_F(TargetTest, TellsThatThePathIsTooLong) {
  socket_.append(200, 'x');
  EXPECT_EQ(ErrorReason(Try()), "BAD_HOST");
}

// Runs as another user, as root may do everything.
TEST_F(TargetTest, TellsThatTheUserMayNot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Listen();
  ASSERT_EQ(chmod(dir_.c_str(), 0755), 0);
  ASSERT_EQ(chmod(socket_.c_str(), 0660), 0);
  ASSERT_EQ(chown(socket_.c_str(), 0, 12), 0);
  ASSERT_EQ(seteuid(65534), 0);
  absl::Status status = Try();
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(ErrorReason(status), "NO_PERMISSION") << status;
  EXPECT_THAT(std::string(status.message()), testing::HasSubstr(socket_));
  EXPECT_THAT(ErrorHint(status), testing::HasSubstr("usermod -aG"));
}

TEST_F(TargetTest, TellsThatTheDaemonTakesNoConnections) {
  Listen();
  std::vector<UniqueFd> held;
  // Fill the backlog without anybody who accepts.
  for (int i = 0; i < 2; ++i) {
    auto fd = Connect({"", socket_}, absl::Milliseconds(100));
    if (fd.ok()) held.push_back(*std::move(fd));
  }
  EXPECT_EQ(ErrorReason(Try()), "NO_ANSWER");
}

}  // namespace
}  // namespace vx::client
