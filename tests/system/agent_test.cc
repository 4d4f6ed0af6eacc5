// What the agent in a guest does for vxd, and no verb shows by itself: the test takes
// vxd's place at the agent's port of a real VM.
#include "plugins/libvirt/agent_channel.h"

#include <poll.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "plugins/libvirt/agent_session.h"
#include "tests/system/harness/system_test.h"

namespace vx::system_test {
namespace {

using libvirt::AgentChannel;
using libvirt::ExecByAgent;
using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(60);

absl::Time Deadline() { return absl::Now() + kPatience; }

class AgentTest : public OwnDaemonTest {
 protected:
  void SetUp() override {
    vx_.Start();
    ASSERT_THAT(vx_.Vxctl({"run", "-d", "--kind=vm", "--name", "v", "busybox", "--", "sleep",
                           "100000"}),
                Succeeds());
    const std::string uid = vx_.Inspect("v")["uid"];
    // QEMU takes one connection at a time; the VM goes on without vxd.
    vx_.Kill();
    channel_ = std::make_shared<AgentChannel>(
        &watcher_, absl::StrCat(vx_.runtime_dir(), "/libvirt/r/", uid, "/agent"), [] {});
    ASSERT_TRUE(channel_->WaitReady(Deadline()).ok());
  }
  void TearDown() override {
    if (channel_) channel_->Close();
    channel_.reset();
    if (!vx_.running()) vx_.Start();
    OwnDaemonTest::TearDown();
  }

  agent::v1::Reply Ask(const agent::v1::Request& request, const std::string& feature) {
    auto reply = channel_->Ask(request, feature, Deadline());
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.value_or(agent::v1::Reply());
  }

  std::unique_ptr<driver::ExecSession> Script(const std::string& script) {
    auto session = ExecByAgent(channel_, {.argv = {"sh", "-c", script}}, Deadline());
    EXPECT_TRUE(session.ok()) << session.status();
    return session.ok() ? *std::move(session) : nullptr;
  }
  static bool HasEnded(const driver::ExecSession& session, absl::Duration patience) {
    pollfd p{session.end_fd(), POLLIN, 0};
    return poll(&p, 1, static_cast<int>(absl::ToInt64Milliseconds(patience))) == 1;
  }
  // What the script wrote, once it has ended.
  std::string Say(const std::string& script) {
    auto session = Script(script);
    EXPECT_TRUE(HasEnded(*session, kPatience));
    std::string said(65536, '\0');
    said.resize(session->output()->Read(said.data(), said.size()).value_or(0));
    return said;
  }

  Watcher watcher_;
  std::shared_ptr<AgentChannel> channel_;
};

TEST_F(AgentTest, NobodyWritesWhileTheFilesystemIsFrozen) {
  agent::v1::Request freeze, thaw;
  freeze.mutable_freeze()->set_timeout_millis(30000);
  thaw.mutable_thaw();
  ASSERT_EQ(Ask(freeze, "freeze").error(), 0);
  EXPECT_EQ(Ask(freeze, "freeze").error(), EBUSY);
  auto writer = Script("echo x > /written");
  EXPECT_FALSE(HasEnded(*writer, absl::Milliseconds(500)));
  ASSERT_EQ(Ask(thaw, "freeze").error(), 0);
  EXPECT_TRUE(HasEnded(*writer, kPatience));
  EXPECT_EQ(Say("cat /written"), "x\n");
}

TEST_F(AgentTest, AFrozenFilesystemThawsByItself) {
  agent::v1::Request freeze;
  freeze.mutable_freeze()->set_timeout_millis(300);
  ASSERT_EQ(Ask(freeze, "freeze").error(), 0);
  EXPECT_EQ(Say("echo x > /written; cat /written"), "x\n");
}

TEST_F(AgentTest, TheClockIsSet) {
  agent::v1::Request request;
  request.mutable_set_clock()->set_unix_nanos(1500000000LL * 1000000000);
  ASSERT_EQ(Ask(request, "clock").error(), 0);
  EXPECT_THAT(Say("date +%s"), testing::StartsWith("15000000"));
}

TEST_F(AgentTest, SaysWhatTheGuestIsLike) {
  agent::v1::Request stats, addresses, cpus, grow;
  stats.mutable_get_stats();
  addresses.mutable_get_addresses();
  cpus.mutable_online_cpus();
  grow.mutable_grow_root();
  const agent::v1::Reply guest = Ask(stats, "stats");
  EXPECT_GT(guest.stats().memory_total_bytes(), 400u << 20) << "of 512 MiB";
  EXPECT_EQ(guest.stats().cpus(), 1u);
  ASSERT_GE(guest.stats().disks_size(), 1);
  EXPECT_EQ(guest.stats().disks(0).mount_point(), "/");
  const agent::v1::Reply links = Ask(addresses, "addresses");
  ASSERT_GE(links.addresses().interfaces_size(), 1);
  EXPECT_THAT(links.addresses().interfaces(0).addresses(), testing::Contains("127.0.0.1/8"));
  EXPECT_EQ(Ask(cpus, "cpus").onlined_cpus().cpus(), 1u);
  EXPECT_EQ(Ask(grow, "grow").error(), 0) << "as large as its disk already";
}

TEST_F(AgentTest, AShareThatIsNotThereIsRefused) {
  agent::v1::Request request;
  request.mutable_mount_share()->set_tag("nothing");
  request.mutable_mount_share()->set_target("/mnt/share");
  EXPECT_NE(Ask(request, "mount").error(), 0);
}

TEST_F(AgentTest, ShutsTheGuestDownInOrder) {
  agent::v1::Request request;
  request.mutable_shutdown();
  EXPECT_EQ(Ask(request, "shutdown").error(), 0);
  channel_->Close();
  vx_.Start();
  ASSERT_THAT(vx_.Vxctl({"wait", "v"}), Succeeds());
  EXPECT_EQ(vx_.Inspect("v")["status"]["exit"]["reason"], "exited");
}

TEST_F(AgentTest, WhatTheLastOneLeftHalfSaidIsNoHarm) {
  auto flood = Script("cat /dev/zero");
  ASSERT_FALSE(HasEnded(*flood, absl::Milliseconds(200)));
  // Gone in the middle of what the guest says; the next one begins anew.
  channel_->Close();
  channel_.reset();
  vx_.Start();
  EXPECT_EQ(vx_.Vxctl({"exec", "v", "--", "echo", "hi"}).out, "hi\n");
  EXPECT_THAT(vx_.Vxctl({"exec", "v", "--", "sh", "-c", "ps | grep '[c]at /dev/zero'"}).out,
              testing::IsEmpty());
}

}  // namespace
}  // namespace vx::system_test
