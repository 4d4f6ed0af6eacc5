#include "plugins/libvirt/shares.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vx::libvirt {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class SharesTest : public ::testing::Test {
 protected:
  v1::Mount& Add(const std::string& target, const driver::MountSource& source) {
    sources_.push_back(source);
    v1::Mount* mount = spec_.add_mounts();
    mount->set_target(target);
    return *mount;
  }

  v1::WorkloadSpec spec_;
  std::vector<driver::MountSource> sources_;
};

TEST_F(SharesTest, FoldersAreSharedAndDisksAreNot) {
  Add("/a", {.path = "/v/a", .is_volume = true}).set_subpath("s");
  Add("/d", {.path = "/v/d", .is_volume = true, .disk_format = "qcow2"}).set_read_only(true);
  const std::vector<Share> shares = SharesOf(spec_, sources_, "/run/u");
  ASSERT_THAT(shares, SizeIs(1));
  EXPECT_EQ(shares[0].tag, "vx0");
  EXPECT_EQ(shares[0].subpath, "s");
  EXPECT_EQ(shares[0].socket, "/run/u/share-0.sock");
  const std::vector<DomainDisk> disks = DisksOf(spec_, sources_);
  ASSERT_THAT(disks, SizeIs(1));
  EXPECT_EQ(disks[0].serial, "vx1");
  EXPECT_EQ(disks[0].format, "qcow2");
  EXPECT_TRUE(disks[0].read_only);
}

TEST_F(SharesTest, TheGuestMountsOuterOnesFirstUnderTheNumbersOfTheSpec) {
  Add("/a/b", {.path = "/v/b", .is_volume = true});
  Add("/a", {.path = "/v/a", .disk_format = "raw"});
  const std::vector<agent::BootShare> boot = ToBoot(spec_, sources_);
  EXPECT_THAT(boot, ElementsAre(Field(&agent::BootShare::target, "/a"),
                                Field(&agent::BootShare::target, "/a/b")));
  EXPECT_EQ(boot[0].number, 1u);
  EXPECT_TRUE(boot[0].disk);
  EXPECT_EQ(boot[1].number, 0u);
}

TEST_F(SharesTest, OnlyAVolumeThatCanBeWrittenToIsFilled) {
  Add("/v", {.path = "/v", .is_volume = true});
  Add("/ro", {.path = "/v", .is_volume = true}).set_read_only(true);
  Add("/no", {.path = "/v", .is_volume = true}).set_no_copy(true);
  Add("/host", {.path = "/srv"});
  for (const agent::BootShare& share : ToBoot(spec_, sources_)) {
    EXPECT_EQ(share.copy_up, share.target == "/v") << share.target;
  }
}

TEST_F(SharesTest, AGuestWithoutMountsHasNone) {
  EXPECT_THAT(SharesOf(spec_, sources_, "/run/u"), IsEmpty());
  EXPECT_THAT(ToBoot(spec_, sources_), IsEmpty());
}

}  // namespace
}  // namespace vx::libvirt
