#include "daemon/registry/progress.h"

#include <gtest/gtest.h>

namespace vx::registry {
namespace {

TEST(Progress, TheWholeIsTheSumOfTheParts) {
  Progress progress;
  progress.Add("a", 10);
  progress.Add("b", 20);
  progress.SetDone("a", 4);
  progress.Finish("b", "exists");
  v1::OperationProgress now = progress.Tell();
  EXPECT_EQ(now.total_bytes(), 30);
  EXPECT_EQ(now.done_bytes(), 24);
  EXPECT_EQ(now.parts(0).phase(), "waiting");
  EXPECT_EQ(now.parts(1).phase(), "exists");
}

TEST(Progress, APartThatBeginsAnewTakesItsBytesBack) {
  Progress progress;
  progress.Add("a", 10);
  progress.SetDone("a", 8);
  progress.SetDone("a", 0);
  EXPECT_EQ(progress.Tell().done_bytes(), 0);
}

TEST(Progress, APartTwiceIsOne) {
  Progress progress;
  progress.Add("a", 10);
  progress.Add("a", 10);
  EXPECT_EQ(progress.Tell().parts_size(), 1);
  EXPECT_EQ(progress.Tell().total_bytes(), 10);
  progress.SetDone("unknown", 3);
  EXPECT_EQ(progress.Tell().done_bytes(), 0);
}

}  // namespace
}  // namespace vx::registry
