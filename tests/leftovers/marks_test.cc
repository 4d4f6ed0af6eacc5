#include "tests/leftovers/marks.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vx::leftovers {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kId[] = "0123abcd";
const std::string kUid = "00112233445566778899aabbccddeeff";
const std::string kOther = "ffeeddccbbaa99887766554433221100";

TEST(NamesDirTest, AFolderIsNamedByItselfAndByWhatIsBelow) {
  EXPECT_TRUE(NamesDir("/tmp/x/s", "/tmp/x/s"));
  EXPECT_TRUE(NamesDir("/tmp/x/s/vx.db", "/tmp/x/s"));
  EXPECT_TRUE(NamesDir("--state-dir=/tmp/x/s", "/tmp/x/s"));
  EXPECT_TRUE(NamesDir("unix:///tmp/x/s/vxd.sock", "/tmp/x/s"));
  EXPECT_TRUE(NamesDir("upperdir=/tmp/x/s,workdir=/w", "/tmp/x/s"));
}

TEST(NamesDirTest, AnotherThatBeginsOrEndsAlikeIsNotNamed) {
  EXPECT_FALSE(NamesDir("/tmp/x/s2", "/tmp/x/s"));
  EXPECT_FALSE(NamesDir("/tmp/x/s.old", "/tmp/x/s"));
  EXPECT_FALSE(NamesDir("/tmp/x", "/tmp/x/s"));
  EXPECT_FALSE(NamesDir("/mnt/tmp/x/s", "/tmp/x/s"));
  EXPECT_TRUE(NamesDir("/tmp/x/s2 /tmp/x/s", "/tmp/x/s"));
}

TEST(NamesDirTest, AStarStandsForAnyEnd) {
  EXPECT_TRUE(NamesDir("/tmp/vx-test-abc/s", "/tmp/vx-test-*"));
  EXPECT_FALSE(NamesDir("/tmp/vx-tes", "/tmp/vx-test-*"));
}

TEST(NamesIdTest, TheIdIsFoundInNamesButNotInsideANumber) {
  EXPECT_TRUE(NamesId("vx-0123abcd", kId));
  EXPECT_TRUE(NamesId("vx0123abcd0", kId));
  EXPECT_FALSE(NamesId("5550123abcd", kId));
  EXPECT_FALSE(NamesId("anything", ""));
}

TEST(UidsInTest, FindsWholeUids) {
  EXPECT_THAT(UidsIn("/r/container/" + kUid + "/control", kId), ElementsAre(kUid));
  EXPECT_THAT(UidsIn("vx-0123abcd-" + kUid + ".pid " + kOther, kId), ElementsAre(kUid, kOther));
}

TEST(UidsInTest, FindsAUidThatIsWrittenAsAUuid) {
  EXPECT_THAT(UidsIn("-uuid 00112233-4455-6677-8899-aabbccddeeff", kId), ElementsAre(kUid));
}

TEST(UidsInTest, FindsAShortenedUidAfterTheId) {
  EXPECT_THAT(UidsIn("domain-1-vx-0123abcd-00112233", kId), ElementsAre("00112233"));
  EXPECT_THAT(UidsIn("domain-1-vx-99999999-00112233", kId), IsEmpty());
}

TEST(UidsInTest, WhatIsNamedByItsContentIsNone) {
  EXPECT_THAT(UidsIn(kUid + ".vmlinux " + kUid + ".initramfs", kId), IsEmpty());
  EXPECT_THAT(UidsIn("sha256/" + kUid + kOther, kId), IsEmpty());
  EXPECT_THAT(UidsIn("13493aa6e3df4ae6.json", kId), IsEmpty());
}

class MarksTest : public testing::Test {
 protected:
  MarksTest() {
    Instance& instance = scope_.instance.emplace();
    instance.state_dir = "/x/s";
    instance.runtime_dir = "/x/r";
    instance.id = kId;
  }
  Whose Of(const std::string& text) const { return Marks(scope_).Of(text); }
  bool IsLeft(const std::string& text) const { return Marks(scope_).IsLeft(Of(text)); }

  Scope scope_;
};

TEST_F(MarksTest, WhatNamesNeitherFoldersNorIdIsForeign) {
  EXPECT_EQ(Of("/home"), Whose::kForeign);
  EXPECT_EQ(Of(kUid), Whose::kForeign);
  EXPECT_FALSE(IsLeft("/home"));
}

TEST_F(MarksTest, WhatIsTheInstancesIsLeftWhenItDoesNotRun) {
  EXPECT_EQ(Of("/x/r/vxd.sock"), Whose::kInstance);
  EXPECT_TRUE(IsLeft("/x/r/vxd.sock"));
  scope_.instance->alive = true;
  EXPECT_FALSE(IsLeft("/x/r/vxd.sock"));
}

TEST_F(MarksTest, WhatIsAWorkloadsMayBeThereWhileItRuns) {
  scope_.instance->alive = true;
  EXPECT_TRUE(IsLeft("/x/r/" + kUid));
  scope_.instance->workloads = {kUid};
  EXPECT_TRUE(IsLeft("/x/r/" + kUid));
  scope_.instance->running = {kUid};
  EXPECT_EQ(Of("/x/r/" + kUid), Whose::kOwned);
  EXPECT_EQ(Of("domain-1-vx-0123abcd-00112233"), Whose::kOwned);
  EXPECT_TRUE(IsLeft("/x/r/" + kUid + " /x/r/" + kOther));
}

TEST_F(MarksTest, WhatNamesAFurtherFolderIsAlwaysLeft) {
  scope_.instance->alive = true;
  scope_.dirs = {"/y/"};
  EXPECT_TRUE(IsLeft("/y/z"));
}

}  // namespace
}  // namespace vx::leftovers
