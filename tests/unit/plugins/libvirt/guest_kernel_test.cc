#include "plugins/libvirt/guest_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

const std::string kElf =
    "\x7f"
    "ELF";

class GuestKernelTest : public ::testing::Test {
 protected:
  void AddKernel(const std::string& version, const std::string& content = "kernel") {
    dir_.Write("boot/vmlinuz-" + version, content);
    const std::string modules = "modules/" + version;
    dir_.Write(modules + "/modules.dep",
               "virtio_pci.ko: virtio.ko\nvirtio.ko:\nvirtio_blk.ko: virtio.ko\n"
               "virtio_console.ko: virtio.ko\n");
    dir_.Write(modules + "/modules.builtin", "");
    for (const char* name : {"virtio", "virtio_pci", "virtio_blk", "virtio_console"}) {
      dir_.Write(modules + "/" + name + ".ko", kElf + name);
    }
  }

  absl::StatusOr<GuestKernel> Find(const std::string& setting = "") {
    return FindGuestKernel(setting, {dir_.path("boot"), dir_.path("modules")});
  }

  TempDir dir_;
};

TEST(OlderVersionTest, NumbersAreNumbers) {
  EXPECT_TRUE(OlderVersion("6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64"));
  EXPECT_FALSE(OlderVersion("6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64"));
  EXPECT_TRUE(OlderVersion("6.1", "6.12"));
  EXPECT_TRUE(OlderVersion("6.1", "6.1.1"));
  EXPECT_FALSE(OlderVersion("6.1", "6.1"));
}

TEST_F(GuestKernelTest, TheNewestCloudKernelIsTaken) {
  AddKernel("6.1.0-9-cloud-amd64");
  AddKernel("6.1.0-10-cloud-amd64");
  AddKernel("6.12.0-1-amd64");
  auto kernel = Find();
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  EXPECT_EQ(kernel->version, "6.1.0-10-cloud-amd64");
}

TEST_F(GuestKernelTest, AnyKernelWithVirtioWillDo) {
  AddKernel("6.12.0-1-amd64");
  EXPECT_EQ(Find()->path, dir_.path("boot/vmlinuz-6.12.0-1-amd64"));
}

TEST_F(GuestKernelTest, AKernelWithoutItsModulesIsPassedOver) {
  AddKernel("6.1.0-9-cloud-amd64");
  dir_.Write("boot/vmlinuz-6.1.0-99-cloud-amd64", "kernel");
  EXPECT_EQ(Find()->version, "6.1.0-9-cloud-amd64");
}

TEST_F(GuestKernelTest, NoneIsAnErrorWithARemedy) {
  auto kernel = Find();
  EXPECT_EQ(ErrorReason(kernel.status()), "NO_GUEST_KERNEL");
  EXPECT_THAT(ErrorHint(kernel.status()), HasSubstr("linux-image-cloud-amd64"));
}

TEST_F(GuestKernelTest, ANamedKernelsMissingModuleIsNamed) {
  AddKernel("6.1.0-9-cloud-amd64");
  dir_.Write("modules/6.1.0-9-cloud-amd64/modules.dep",
             "virtio_pci.ko: virtio.ko\nvirtio.ko:\nvirtio_console.ko: virtio.ko\n");
  auto kernel = Find(dir_.path("boot/vmlinuz-6.1.0-9-cloud-amd64"));
  EXPECT_EQ(ErrorReason(kernel.status()), "NO_GUEST_KERNEL");
  EXPECT_THAT(std::string(kernel.status().message()), HasSubstr("no module virtio_blk"));
}

TEST_F(GuestKernelTest, ABalloonIsPackedWhereTheKernelHasOne) {
  AddKernel("6.1.0-9-cloud-amd64");
  dir_.Write("agent", "agent");
  auto without = MakeBootFiles(*Find(), dir_.path("agent"), dir_.path("cache"));
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(ReadFile(without->initramfs)->find("virtio_balloon"), std::string::npos);
  dir_.Write("modules/6.1.0-9-cloud-amd64/modules.dep",
             "virtio_pci.ko: virtio.ko\nvirtio.ko:\nvirtio_blk.ko: virtio.ko\n"
             "virtio_console.ko: virtio.ko\nvirtio_balloon.ko: virtio.ko\n");
  dir_.Write("modules/6.1.0-9-cloud-amd64/virtio_balloon.ko", kElf + "virtio_balloon");
  auto with = MakeBootFiles(*Find(), dir_.path("agent"), dir_.path("cache"));
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_NE(ReadFile(with->initramfs)->find("virtio_balloon"), std::string::npos);
}

TEST_F(GuestKernelTest, WhatANetworkCardNeedsIsPackedOnceWhereTheKernelHasIt) {
  AddKernel("6.1.0-9-cloud-amd64");
  dir_.Write("agent", "agent");
  auto without = MakeBootFiles(*Find(), dir_.path("agent"), dir_.path("cache"));
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_THAT(*ReadFile(without->initramfs), Not(HasSubstr("virtio_net")));
  dir_.Write("modules/6.1.0-9-cloud-amd64/modules.dep",
             "virtio_pci.ko: virtio.ko\nvirtio.ko:\nvirtio_blk.ko: virtio.ko\n"
             "virtio_console.ko: virtio.ko\nfailover.ko:\n"
             "virtio_net.ko: failover.ko virtio.ko\n");
  for (const std::string name : {"failover", "virtio_net"}) {
    dir_.Write("modules/6.1.0-9-cloud-amd64/" + name + ".ko", kElf + name);
  }
  auto with = MakeBootFiles(*Find(), dir_.path("agent"), dir_.path("cache"));
  ASSERT_TRUE(with.ok()) << with.status();
  EXPECT_THAT(*ReadFile(with->initramfs), HasSubstr("failover.ko\nvirtio_net.ko\n"));
}

TEST_F(GuestKernelTest, ANamedKernelMustBeThereWithItsModules) {
  AddKernel("6.1.0-9-cloud-amd64");
  const std::string path = dir_.path("boot/vmlinuz-6.1.0-9-cloud-amd64");
  EXPECT_EQ(Find(path)->path, path);
  EXPECT_THAT(std::string(Find("/nonexistent").status().message()), HasSubstr("/nonexistent"));
  dir_.Write("boot/vmlinuz-other", "kernel");
  EXPECT_THAT(std::string(Find(dir_.path("boot/vmlinuz-other")).status().message()),
              HasSubstr("modules"));
}

TEST_F(GuestKernelTest, BootFilesAreMadeOnceAndNamedByContent) {
  AddKernel("6.1.0-9-cloud-amd64");
  dir_.Write("agent", "agent 1");
  const std::string cache = dir_.path("cache");
  auto first = MakeBootFiles(*Find(), dir_.path("agent"), cache);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(*ReadFile(first->kernel), "kernel");
  EXPECT_THAT(*ReadFile(first->initramfs), HasSubstr("agent 1"));
  auto again = MakeBootFiles(*Find(), dir_.path("agent"), cache);
  EXPECT_EQ(again->initramfs, first->initramfs);
  EXPECT_THAT(*ListDir(cache), SizeIs(2));

  dir_.Write("agent", "agent 2");
  auto second = MakeBootFiles(*Find(), dir_.path("agent"), cache);
  EXPECT_NE(second->initramfs, first->initramfs);
  EXPECT_EQ(second->kernel, first->kernel);
  ASSERT_TRUE(PruneBootFiles(cache, *second).ok());
  EXPECT_THAT(*ListDir(cache), SizeIs(2));
  EXPECT_FALSE(PathExists(first->initramfs));
}

TEST_F(GuestKernelTest, AMissingAgentIsNamed) {
  AddKernel("6.1.0-9-cloud-amd64");
  auto files = MakeBootFiles(*Find(), "/nonexistent/vx-agent", dir_.path("cache"));
  EXPECT_THAT(std::string(files.status().message()), HasSubstr("/nonexistent/vx-agent"));
}

TEST_F(GuestKernelTest, AnInitramfsNamesItsModulesInOrder) {
  dir_.Write("agent", "agent");
  dir_.Write("b.ko", kElf + "module b");
  dir_.Write("a-x.ko", kElf + "module a");
  dir_.Write("net.ko", kElf + "module net");
  auto archive = BuildInitramfs(
      dir_.path("agent"),
      {.boot = {dir_.path("b.ko"), dir_.path("a-x.ko")}, .network = {dir_.path("net.ko")}});
  ASSERT_TRUE(archive.ok()) << archive.status();
  EXPECT_THAT(*archive, HasSubstr("b.ko\na_x.ko\n"));
  EXPECT_THAT(*archive, Not(HasSubstr("a_x.ko\nnet.ko"))) << "not for every guest";
  EXPECT_THAT(*archive, HasSubstr("net.ko\n"));
  EXPECT_THAT(*archive, HasSubstr("module a"));
  EXPECT_THAT(*archive, HasSubstr("module net"));
}

}  // namespace
}  // namespace vx::libvirt
