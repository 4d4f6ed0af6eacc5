#include "plugins/libvirt/kernel_modules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// As depmod writes it: what a module needs, the first to load last.
constexpr char kDep[] =
    "kernel/virtio.ko: kernel/virtio_ring.ko\n"
    "kernel/virtio_ring.ko:\n"
    "kernel/legacy-dev.ko.xz:\n"
    "kernel/virtio_pci.ko: kernel/legacy-dev.ko.xz kernel/virtio.ko kernel/virtio_ring.ko\n"
    "kernel/virtio_blk.ko: kernel/virtio.ko kernel/virtio_ring.ko\n";
constexpr char kBuiltin[] = "kernel/fs/ext4/ext4.ko\nkernel/lib/crc32c-generic.ko\n";

KernelModules Modules() { return KernelModules::Parse("/lib/modules/6.1", kDep, kBuiltin); }

TEST(KernelModulesTest, WhatAModuleNeedsComesFirst) {
  EXPECT_THAT(
      *Modules().Resolve({"virtio_pci"}),
      ElementsAre("/lib/modules/6.1/kernel/virtio_ring.ko", "/lib/modules/6.1/kernel/virtio.ko",
                  "/lib/modules/6.1/kernel/legacy-dev.ko.xz",
                  "/lib/modules/6.1/kernel/virtio_pci.ko"));
}

TEST(KernelModulesTest, EachComesOnce) {
  EXPECT_EQ(Modules().Resolve({"virtio_pci", "virtio_blk", "virtio"})->size(), 5u);
}

TEST(KernelModulesTest, BuiltInOnesNeedNothing) {
  EXPECT_THAT(*Modules().Resolve({"ext4", "crc32c_generic"}), IsEmpty());
}

TEST(KernelModulesTest, AMissingOneIsNamed) {
  auto paths = Modules().Resolve({"virtio_blk", "nonesuch"});
  EXPECT_EQ(ErrorReason(paths.status()), "NO_MODULE");
  EXPECT_THAT(std::string(paths.status().message()), HasSubstr("nonesuch"));
}

TEST(KernelModulesTest, NamesHaveNoDashes) {
  EXPECT_EQ(ModuleName("kernel/drivers/char/hw_random/virtio-rng.ko"), "virtio_rng");
  EXPECT_EQ(ModuleName("ext4.ko.zst"), "ext4");
}

TEST(KernelModulesTest, CompressedFilesAreUnpacked) {
  TempDir dir;
  const std::string content =
      "\x7f"
      "ELF" +
      std::string(100000, 'm');
  for (const char* tool : {"xz", "gzip", "zstd"}) {
    if (FindProgram(tool).empty()) continue;
    const std::string suffix = std::string(tool) == "gzip"   ? ".gz"
                               : std::string(tool) == "zstd" ? ".zst"
                                                             : ".xz";
    dir.Write("m.ko", content);
    ASSERT_TRUE(RunCommandOk({tool, "-f", "-q", dir.path("m.ko")}).ok()) << tool;
    auto module = ReadModule(dir.path("m.ko" + suffix));
    ASSERT_TRUE(module.ok()) << module.status();
    EXPECT_EQ(*module, content) << tool;
  }
}

TEST(KernelModulesTest, ABrokenFileIsNamed) {
  TempDir dir;
  for (const std::string name : {"m.ko", "m.ko.xz"}) {
    for (const std::string& content : {std::string(), std::string("no module"),
                                       std::string("\xfd"
                                                   "7zXZ\0 cut",
                                                   10)}) {
      dir.Write(name, content);
      auto module = ReadModule(dir.path(name));
      EXPECT_EQ(ErrorReason(module.status()), "BAD_MODULE");
      EXPECT_THAT(std::string(module.status().message()), HasSubstr(name));
    }
  }
}

}  // namespace
}  // namespace vx::libvirt
