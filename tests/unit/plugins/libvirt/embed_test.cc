#include "plugins/libvirt/embed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

using ::testing::HasSubstr;

TEST(EmbedTest, OnlyTheEmbeddedUriGetsARoot) {
  EXPECT_EQ(ConnectionUri("qemu:///embed", "/run/x"), "qemu:///embed?root=/run/x");
  EXPECT_EQ(ConnectionUri("qemu:///system", "/run/x"), "qemu:///system");
  EXPECT_EQ(PidFolder("qemu:///embed", "/run/x"), "/run/x/run/qemu");
  EXPECT_EQ(PidFolder("qemu:///system", "/run/x"), "/run/libvirt/qemu");
}

TEST(EmbedTest, ARootTooDeepForSocketsIsRefused) {
  const std::string root = "/tmp/" + std::string(60, 'd');
  const absl::Status status = PrepareEmbedRoot(root, "/tmp/cache");
  EXPECT_EQ(ErrorReason(status), "PATH_TOO_LONG");
  EXPECT_FALSE(PathExists(root));
}

TEST(EmbedTest, PreparingTwiceIsFine) {
  TempDir dir;
  if (getpwnam("libvirt-qemu") == nullptr) {
    EXPECT_EQ(ErrorReason(PrepareEmbedRoot(dir.path("e"), dir.path("c"))), "NO_LIBVIRT_USER");
    return;
  }
  ASSERT_TRUE(PrepareEmbedRoot(dir.path("e"), dir.path("c")).ok());
  // What one that was killed leaves.
  dir.Write("e/etc/qemu.conf.tmp-27aae925", "half");
  ASSERT_TRUE(PrepareEmbedRoot(dir.path("e"), dir.path("c")).ok());
  EXPECT_FALSE(PathExists(dir.path("e/etc/qemu.conf.tmp-27aae925")));
  EXPECT_THAT(*ReadFile(dir.path("e/etc/qemu.conf")), HasSubstr("user = \"root\""));
  dir.Write("c/probed", "x");
  EXPECT_TRUE(PathExists(dir.path("e/cache/probed")));
}

}  // namespace
}  // namespace vx::libvirt
