#include "client/cli/render/table.h"

#include <gtest/gtest.h>

namespace vx::cli {
namespace {

Row Line(const std::vector<std::string>& texts) { return {texts.begin(), texts.end()}; }

TEST(RenderTable, AlignsByCharactersAndTrimsLines) {
  EXPECT_EQ(RenderTable({"NAME", "X"}, {Line({"h\xc3\xa9", "1"}), Line({"longer", ""})}, false),
            "NAME     X\n"
            "h\xc3\xa9       1\n"
            "longer   -\n");
}

TEST(RenderTable, ShowsControlCharactersInsteadOfSendingThem) {
  EXPECT_EQ(RenderTable({}, {Line({"a\x1b[2J\nb"})}, false), "a\\x1b[2J\\x0ab\n");
}

TEST(RenderTable, ColorsDoNotMoveColumns) {
  EXPECT_EQ(
      RenderTable({}, {{Cell("ok", "", Color::kGreen), Cell("x")}, Line({"failed", "y"})}, true),
      "\x1b[32mok\x1b[0m       x\n"
      "failed   y\n");
}

TEST(RenderCsv, QuotesWhatMustBe) {
  EXPECT_EQ(RenderCsv({"a", "b"}, {Line({"x,y", "he said \"no\""}), Line({"line\nbreak", ""})}),
            "a,b\n"
            "\"x,y\",\"he said \"\"no\"\"\"\n"
            "\"line\nbreak\",\n");
}

TEST(RenderCsv, PrintsRawValues) {
  EXPECT_EQ(RenderCsv({}, {{Cell("512M", "536870912")}}), "536870912\n");
}

}  // namespace
}  // namespace vx::cli
