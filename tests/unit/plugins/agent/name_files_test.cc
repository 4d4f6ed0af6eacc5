#include "plugins/agent/name_files.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "daemon/base/file.h"
#include "tests/unit/plugins/agent/own_namespaces.h"

namespace vx::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PutNameFilesTest : public OwnNamespacesTest {
 protected:
  // The root is a filesystem in memory, gone with the namespace.
  void SetUp() override {
    OwnNamespacesTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    char path[] = "/tmp/vx-names-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
    ASSERT_EQ(mount("tmpfs", path, "tmpfs", 0, nullptr), 0);
    Shell("mkdir " + root_ + "/etc");
  }

  void TearDown() override {
    if (root_.empty()) return;
    umount2(root_.c_str(), MNT_DETACH);
    rmdir(root_.c_str());
  }

  std::vector<std::string> Put(const std::string& target, const std::string& content) {
    return PutNameFiles({{root_ + target, content}}, root_ + "/scratch");
  }

  std::string root_;
};

TEST_F(PutNameFilesTest, AFileIsInThePlaceOfTheImagesWhichIsKept) {
  Shell("echo image >" + root_ + "/etc/hosts");
  EXPECT_THAT(Put("/etc/hosts", "ours\n"), IsEmpty());
  EXPECT_EQ(*ReadFile(root_ + "/etc/hosts"), "ours\n");
  ASSERT_EQ(umount2((root_ + "/etc/hosts").c_str(), 0), 0);
  EXPECT_EQ(*ReadFile(root_ + "/etc/hosts"), "image\n");
  EXPECT_FALSE(PathExists(root_ + "/scratch"));
}

TEST_F(PutNameFilesTest, AFileThatTheImageLacksIsMadeAndItsFolderToo) {
  EXPECT_THAT(Put("/etc/resolv.conf", "ours\n"), IsEmpty());
  EXPECT_EQ(*ReadFile(root_ + "/etc/resolv.conf"), "ours\n");
  EXPECT_THAT(Put("/other/hosts", "ours\n"), IsEmpty());
  EXPECT_EQ(*ReadFile(root_ + "/other/hosts"), "ours\n");
}

TEST_F(PutNameFilesTest, ALinkIsFollowedThoughNothingIsThere) {
  Shell("ln -s ../run/resolve/stub.conf " + root_ + "/etc/resolv.conf");
  EXPECT_THAT(Put("/etc/resolv.conf", "ours\n"), IsEmpty());
  EXPECT_EQ(*ReadFile(root_ + "/etc/resolv.conf"), "ours\n");
  EXPECT_EQ(*ReadFile(root_ + "/run/resolve/stub.conf"), "ours\n");
}

TEST_F(PutNameFilesTest, ItCanBeWrittenToThoughTheRootIsSealed) {
  EXPECT_THAT(Put("/etc/hosts", "ours\n"), IsEmpty());
  Shell("mount -o remount,ro " + root_ + " && echo more >>" + root_ + "/etc/hosts");
  EXPECT_EQ(*ReadFile(root_ + "/etc/hosts"), "ours\nmore\n");
}

TEST_F(PutNameFilesTest, WhatCannotBeHadIsNamedAndTheOtherIsThere) {
  Shell("mkdir " + root_ + "/etc/hosts");
  const auto complaints = PutNameFiles(
      {{root_ + "/etc/hosts", "x"}, {root_ + "/etc/resolv.conf", "ours\n"}}, root_ + "/scratch");
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("/etc/hosts: Is a directory")));
  EXPECT_EQ(*ReadFile(root_ + "/etc/resolv.conf"), "ours\n");
}

}  // namespace
}  // namespace vx::agent
