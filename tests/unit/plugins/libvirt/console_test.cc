#include "plugins/libvirt/console.h"

#include <gtest/gtest.h>

#include "plugins/shim/protocol.h"
#include "tests/unit/plugins/libvirt/temp_dir.h"

namespace vx::libvirt {
namespace {

// A line of a log as a shim writes it.
std::string Said(const std::string& text, int stream = 1, char tag = 'F') {
  return std::string("2026-01-31T12:00:00.000000000Z ") + (stream == 2 ? "stderr " : "stdout ") +
         tag + " " + text + "\n";
}

std::string SwitchedOn() { return Said(shim::kConsoleBegins, 2); }

TEST(ConsoleTest, TheLastLineThatSaysSomething) {
  TempDir dir;
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "");
  dir.Write("console", Said("one\r") + Said("two\r") + Said("\r") + Said("  "));
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "two");
}

TEST(ConsoleTest, ALineThatCameInPartsIsOne) {
  TempDir dir;
  dir.Write("console", Said("one\r") + Said("tw", 1, 'P') + Said("o", 1, 'P'));
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "two");
}

TEST(ConsoleTest, AGuestsBytesBecomePlainText) {
  TempDir dir;
  dir.Write("console", Said("\x1b[31mred\x07\xff" + std::string(1000, 'x')));
  const std::string line = LastConsoleLine(dir.path("console"));
  EXPECT_EQ(line.size(), 200u);
  EXPECT_EQ(line.substr(0, 11), "?[31mred??x");
}

TEST(ConsoleTest, ALineIsFoundByItsText) {
  TempDir dir;
  dir.Write("console", Said("Kernel panic - not syncing: x") + Said("rest"));
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "panic - "), "Kernel panic - not syncing: x");
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "oops"), "");
}

TEST(ConsoleTest, WhatAnEarlierRunSaidDoesNotCount) {
  TempDir dir;
  dir.Write("console", SwitchedOn() + Said("Kernel panic - x") + SwitchedOn());
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "");
  dir.Write("console", SwitchedOn() + Said("Kernel panic - x") + SwitchedOn() + Said("up"));
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "panic"), "");
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "up");
}

TEST(ConsoleTest, AGuestThatClaimsToBeSwitchedOnHidesNothing) {
  TempDir dir;
  dir.Write("console", SwitchedOn() + Said("Kernel panic - x") + Said(shim::kConsoleBegins));
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "panic"), "Kernel panic - x");
}

TEST(ConsoleTest, WhatIsInTheFileBeforeIsFoundToo) {
  TempDir dir;
  dir.Write("console.1", SwitchedOn() + Said("Kernel panic - x"));
  dir.Write("console", "");
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "panic"), "Kernel panic - x");
  dir.Write("console", Said("rebooting"));
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "rebooting");
}

TEST(ConsoleTest, OfALongLogItsEndIsLookedAt) {
  TempDir dir;
  std::string log = Said("Kernel panic - long ago");
  while (log.size() < (200 << 10)) log += Said("more");
  dir.Write("console", log + Said("last"));
  EXPECT_EQ(FindConsoleLine(dir.path("console"), "panic"), "");
  EXPECT_EQ(LastConsoleLine(dir.path("console")), "last");
}

TEST(ConsoleTest, TheLastLinesComeInTheirOrder) {
  TempDir dir;
  dir.Write("console", Said("one") + Said("two") + Said("") + Said("three"));
  EXPECT_EQ(LastConsoleLines(dir.path("console"), 2), "two | three");
  EXPECT_EQ(LastConsoleLines(dir.path("console"), 9), "one | two | three");
}

}  // namespace
}  // namespace vx::libvirt
