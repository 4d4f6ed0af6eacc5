#include "plugins/libvirt/console.h"

#include <gtest/gtest.h>

#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

TEST(ConsoleTest, TheLastLineThatSaysSomething) {
  TempDir dir;
  EXPECT_EQ(LastConsoleLine(dir.path()), "");
  dir.Write("console.log", "one\r\ntwo\r\n\r\n  \n");
  EXPECT_EQ(LastConsoleLine(dir.path()), "two");
}

TEST(ConsoleTest, AGuestsBytesBecomePlainText) {
  TempDir dir;
  dir.Write("console.log", "\x1b[31mred\x07\xff" + std::string(1000, 'x') + "\n");
  const std::string line = LastConsoleLine(dir.path());
  EXPECT_EQ(line.size(), 200u);
  EXPECT_EQ(line.substr(0, 11), "?[31mred??x");
}

TEST(ConsoleTest, ALineIsFoundByItsText) {
  TempDir dir;
  dir.Write("console.log", "Kernel panic - not syncing: x\nrest\n");
  EXPECT_EQ(FindConsoleLine(dir.path(), "panic - "), "Kernel panic - not syncing: x");
  EXPECT_EQ(FindConsoleLine(dir.path(), "oops"), "");
}

}  // namespace
}  // namespace vx::libvirt
