#include "daemon/volume/usage.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "daemon/base/file.h"
#include "tests/unit/daemon/base/temp_dir.h"

namespace vx::volume {
namespace {

constexpr int kMany = 1000;

TEST(CountBytesTest, CountsAllLevelsAndAFileWithTwoNamesOnce) {
  TempDir dir;
  ASSERT_TRUE(MakeDirs(dir / "a/b", 0700).ok());
  const int64_t folders = CountBytes(dir.path(), kMany);
  ASSERT_TRUE(WriteFileAtomic(dir / "a/b/f", std::string(1 << 20, 'x'), 0600).ok());
  const int64_t with_file = CountBytes(dir.path(), kMany);
  EXPECT_GE(with_file, folders + (1 << 20));
  ASSERT_EQ(link((dir / "a/b/f").c_str(), (dir / "a/second").c_str()), 0);
  EXPECT_EQ(CountBytes(dir.path(), kMany), with_file);
}

TEST(CountBytesTest, FollowsNoLinks) {
  TempDir dir;
  ASSERT_EQ(symlink("/usr", (dir / "out").c_str()), 0);
  EXPECT_LT(CountBytes(dir.path(), kMany), 1 << 20);
}

TEST(CountBytesTest, GivesUpOnMoreThanItMayLookAt) {
  TempDir dir;
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(WriteFileAtomic(dir / name, "", 0600).ok());
  EXPECT_EQ(CountBytes(dir.path(), 2), -1);
  EXPECT_GE(CountBytes(dir.path(), 3), 0);
  EXPECT_EQ(CountBytes(dir / "nothing", 3), -1);
}

}  // namespace
}  // namespace vx::volume
