#include "daemon/store/ballast.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "daemon/base/file.h"

namespace vx::store {
namespace {

class BallastTest : public testing::Test {
 protected:
  BallastTest() {
    char path[] = "/tmp/vx-ballast-XXXXXX";
    dir_ = mkdtemp(path);
  }
  ~BallastTest() override { (void)RemoveTree(dir_); }

  Ballast Open() {
    auto ballast = Ballast::Open(path());
    EXPECT_TRUE(ballast.ok()) << ballast.status();
    return *std::move(ballast);
  }
  // On the disk.
  int64_t Blocks() const {
    struct stat st{};
    EXPECT_EQ(stat(path().c_str(), &st), 0);
    return int64_t{st.st_blocks} * 512;
  }
  std::string path() const { return dir_ + "/ballast"; }

  std::string dir_;
};

TEST_F(BallastTest, TakesRoomOnTheDiskAndGivesItBackInPieces) {
  Ballast ballast = Open();
  EXPECT_EQ(ballast.missing(), kBallastBytes);
  ballast.Fill();
  EXPECT_TRUE(ballast.full());
  EXPECT_GE(Blocks(), kBallastBytes);
  EXPECT_TRUE(ballast.Release());
  EXPECT_EQ(ballast.missing(), kBallastPiece);
  EXPECT_LT(Blocks(), kBallastBytes);
  while (ballast.Release()) {
  }
  EXPECT_EQ(Blocks(), 0);
  ballast.Fill();
  EXPECT_TRUE(ballast.full());
}

TEST_F(BallastTest, WhatAnEarlierOneHoldsIsHeld) {
  {
    Ballast ballast = Open();
    ballast.Fill();
    ballast.Release();
  }
  Ballast ballast = Open();
  EXPECT_EQ(ballast.missing(), kBallastPiece);
}

TEST_F(BallastTest, AFileWithoutBlocksIsNone) {
  ASSERT_TRUE(WriteFileAtomic(path(), "", 0600).ok());
  ASSERT_EQ(truncate(path().c_str(), kBallastBytes), 0);
  EXPECT_EQ(Open().missing(), kBallastBytes);
}

}  // namespace
}  // namespace vx::store
