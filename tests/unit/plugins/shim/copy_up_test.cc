#include "plugins/shim/copy_up.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "daemon/base/unique_fd.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::shim {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class CopyUpTest : public testing::Test {
 protected:
  CopyUpTest() {
    EXPECT_TRUE(MakeDirs(dir_ / "from/sub", 0750).ok());
    EXPECT_TRUE(MakeDirs(dir_ / "to", 0755).ok());
    Write("from/sub/file", "content");
  }

  void Write(const std::string& name, const std::string& content) {
    ASSERT_TRUE(WriteFileAtomic(dir_ / name, content, 0640).ok());
  }
  std::string Read(const std::string& name) { return ReadFile(dir_ / name).value_or("nothing"); }
  struct stat Stat(const std::string& name) {
    struct stat st{};
    EXPECT_EQ(lstat((dir_ / name).c_str(), &st), 0) << name;
    return st;
  }

  bool Copy() {
    const UniqueFd from(open((dir_ / "from").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd to(open((dir_ / "to").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return CopyUp(from.get(), to.get(), &error_);
  }

  TempDir dir_;
  std::string error_;
};

TEST_F(CopyUpTest, AnEmptyFolderGetsAllWithModesAndLinks) {
  ASSERT_EQ(chmod((dir_ / "from").c_str(), 01770), 0);
  ASSERT_EQ(chmod((dir_ / "from/sub/file").c_str(), 04751), 0);
  ASSERT_EQ(symlink("/etc/passwd", (dir_ / "from/link").c_str()), 0);
  ASSERT_TRUE(Copy()) << error_;
  EXPECT_EQ(Read("to/sub/file"), "content");
  EXPECT_EQ(Stat("to").st_mode & 07777, 01770u);
  EXPECT_EQ(Stat("to/sub").st_mode & 07777, 0750u);
  EXPECT_EQ(Stat("to/sub/file").st_mode & 07777, 04751u);
  EXPECT_TRUE(S_ISLNK(Stat("to/link").st_mode));
  EXPECT_EQ(Stat("to/sub/file").st_mtim.tv_nsec, Stat("from/sub/file").st_mtim.tv_nsec);
  EXPECT_THAT(*ListDir(dir_ / "to"), UnorderedElementsAre("sub", "link"));
}

TEST_F(CopyUpTest, OwnersAreKept) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(chown((dir_ / "from").c_str(), 33, 34), 0);
  ASSERT_EQ(chown((dir_ / "from/sub/file").c_str(), 35, 36), 0);
  ASSERT_TRUE(Copy()) << error_;
  EXPECT_EQ(Stat("to").st_uid, 33u);
  EXPECT_EQ(Stat("to").st_gid, 34u);
  EXPECT_EQ(Stat("to/sub/file").st_uid, 35u);
}

TEST_F(CopyUpTest, WhatIsInItAlreadyStaysAlone) {
  Write("to/own", "mine");
  ASSERT_TRUE(Copy()) << error_;
  EXPECT_THAT(*ListDir(dir_ / "to"), ElementsAre("own"));
}

TEST_F(CopyUpTest, ACopyThatWasCutShortIsDoneAgain) {
  ASSERT_TRUE(MakeDirs(dir_ / "to/sub", 0700).ok());
  Write("to/sub/file", "con");
  Write("to/.vx-filling", "");
  ASSERT_TRUE(Copy()) << error_;
  EXPECT_EQ(Read("to/sub/file"), "content");
  EXPECT_THAT(*ListDir(dir_ / "to"), ElementsAre("sub"));
}

TEST_F(CopyUpTest, NoLinkLeadsOutOfTheTarget) {
  Write("outside", "kept");
  ASSERT_EQ(symlink("..", (dir_ / "to/sub").c_str()), 0);
  Write("to/.vx-filling", "");
  EXPECT_FALSE(Copy());
  EXPECT_THAT(error_, testing::HasSubstr("sub"));
  EXPECT_FALSE(PathExists(dir_ / "file"));
  EXPECT_EQ(Read("outside"), "kept");
}

}  // namespace
}  // namespace vx::shim
