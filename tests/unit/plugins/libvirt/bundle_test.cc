#include "plugins/libvirt/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::HasSubstr;

constexpr char kUid[] = "0123456789abcdef0123456789abcdef";

class BundleTest : public ::testing::Test {
 protected:
  BundleTest() : paths_(MakeEnvironment()) {
    dir_.Write("base.ext4", std::string(1 << 20, '\0'));
    base_.disk = dir_.path("base.ext4");
    base_.config.add_command("sh");
    workload_.set_uid(kUid);
    workload_.mutable_spec()->set_image("busybox");
  }

  driver::Environment MakeEnvironment() {
    driver::Environment environment;
    environment.state_dir = dir_.path("state");
    environment.runtime_dir = dir_.path("run");
    return environment;
  }

  bool HaveQemuImg() { return !FindProgram("qemu-img").empty(); }

  TempDir dir_;
  Paths paths_;
  driver::Base base_;
  v1::Workload workload_;
};

TEST_F(BundleTest, HoldsDiskLogAndConfig) {
  if (!HaveQemuImg()) GTEST_SKIP() << "needs qemu-img";
  const absl::Status status = MakeBundle(paths_, workload_, base_);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_TRUE(PathExists(paths_.log(kUid)));
  EXPECT_EQ(ReadImageConfig(paths_, kUid)->command(0), "sh");
  EXPECT_THAT(*RunCommandOk({"qemu-img", "info", paths_.disk(kUid)}), HasSubstr(base_.disk));
}

TEST_F(BundleTest, ADiskMayBeLargerThanTheImage) {
  if (!HaveQemuImg()) GTEST_SKIP() << "needs qemu-img";
  workload_.mutable_spec()->mutable_resources()->set_disk_bytes(3 << 20);
  ASSERT_TRUE(MakeBundle(paths_, workload_, base_).ok());
  EXPECT_THAT(*RunCommandOk({"qemu-img", "info", paths_.disk(kUid)}), HasSubstr("3 MiB"));
}

TEST_F(BundleTest, ADiskSmallerThanTheImageLeavesNothing) {
  workload_.mutable_spec()->mutable_resources()->set_disk_bytes(1000);
  const absl::Status status = MakeBundle(paths_, workload_, base_);
  EXPECT_EQ(ErrorReason(status), "DISK_TOO_SMALL");
  EXPECT_FALSE(PathExists(paths_.bundle(kUid)));
}

TEST_F(BundleTest, AMissingBaseLeavesNothing) {
  base_.disk = "/nonexistent/base";
  EXPECT_THAT(std::string(MakeBundle(paths_, workload_, base_).message()), HasSubstr(base_.disk));
  EXPECT_FALSE(PathExists(paths_.bundle(kUid)));
}

TEST_F(BundleTest, HalfABundleIsNone) {
  dir_.Write("state/w/" + std::string(kUid) + "/root.qcow2", "");
  EXPECT_EQ(ErrorReason(ReadImageConfig(paths_, kUid).status()), "NOT_PREPARED");
}

TEST(EncodeProcessTest, SaysWhatTheAgentIsToRun) {
  v1::Workload workload;
  v1::WorkloadSpec& spec = *workload.mutable_spec();
  spec.set_tty(true);
  spec.add_tmpfs()->set_target("/t/inner");
  spec.mutable_tmpfs(0)->set_size_bytes(1 << 20);
  spec.add_tmpfs()->set_target("/t");
  spec.mutable_resources()->set_memory_bytes(100 << 20);
  auto blob = EncodeProcess(
      {.argv = {"sh"}, .env = {"A=b"}, .working_dir = "/", .hostname = "h"}, workload);
  ASSERT_TRUE(blob.ok()) << blob.status();
  agent::BootConfig config;
  ASSERT_EQ(agent::DecodeBootConfig(*blob, config), nullptr);
  EXPECT_EQ(config.argv[0], "sh");
  EXPECT_EQ(config.env[0], "A=b");
  EXPECT_TRUE(config.tty);
  EXPECT_FALSE(config.stdin);
  ASSERT_EQ(config.tmpfs.size(), 2);
  EXPECT_EQ(config.tmpfs[0].target, "/t") << "outer ones first";
  EXPECT_EQ(config.tmpfs[0].size_bytes, 50 << 20) << "half of the memory";
  EXPECT_EQ(config.tmpfs[1].size_bytes, 1 << 20);
}

TEST(EncodeProcessTest, SaysWhatTheGuestHasOnItsNetworks) {
  v1::Workload workload;
  v1::NetworkAttachment& network = *workload.mutable_status()->add_networks();
  network.set_mac("52:54:00:12:34:56");
  network.set_guest_link("eth0");
  network.set_host_link("vxt1");
  network.set_mtu(1450);
  network.add_addresses("10.1.0.2/24");
  network.add_gateways("10.1.0.1");
  network.add_name_servers("10.1.0.1");
  workload.mutable_status()->add_addresses("10.1.0.2");
  auto blob = EncodeProcess({.argv = {"sh"}, .working_dir = "/", .hostname = "web"}, workload);
  ASSERT_TRUE(blob.ok()) << blob.status();
  agent::BootConfig config;
  ASSERT_EQ(agent::DecodeBootConfig(*blob, config), nullptr);
  ASSERT_EQ(config.nics.size(), 1);
  EXPECT_EQ(config.nics[0], (agent::BootNic{.mac = "52:54:00:12:34:56",
                                            .link = "eth0",
                                            .mtu = 1450,
                                            .addresses = {"10.1.0.2/24"},
                                            .gateways = {"10.1.0.1"}}));
  EXPECT_THAT(config.resolver, HasSubstr("nameserver 10.1.0.1\n"));
  EXPECT_THAT(config.hosts, HasSubstr("10.1.0.2\tweb\n"));
}

TEST(EncodeProcessTest, AGuestOnNoNetworkKeepsTheImagesFiles) {
  auto blob = EncodeProcess({.argv = {"sh"}, .working_dir = "/", .hostname = "web"}, {});
  agent::BootConfig config;
  ASSERT_EQ(agent::DecodeBootConfig(*blob, config), nullptr);
  EXPECT_TRUE(config.nics.empty());
  EXPECT_EQ(config.resolver + config.hosts, "");
}

TEST(EncodeProcessTest, RefusesWhatNoGuestCanBeGiven) {
  auto blob = EncodeProcess({.argv = {"sh"}, .working_dir = "srv"}, {});
  EXPECT_EQ(ErrorReason(blob.status()), "BAD_PROCESS");
  EXPECT_THAT(std::string(blob.status().message()), HasSubstr("absolute"));
}

}  // namespace
}  // namespace vx::libvirt
