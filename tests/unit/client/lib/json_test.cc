#include "client/lib/json.h"

#include <gtest/gtest.h>

namespace vx::client {
namespace {

TEST(JsonQuote, EscapesAllThatMustBe) {
  EXPECT_EQ(JsonQuote(""), R"("")");
  EXPECT_EQ(JsonQuote("a\"b\\c/"), R"("a\"b\\c/")");
  EXPECT_EQ(JsonQuote("\n\r\t\b\f"), R"("\n\r\t\u0008\u000c")");
  EXPECT_EQ(JsonQuote(absl::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
}

TEST(JsonQuote, KeepsTextOfTheWorld) {
  EXPECT_EQ(JsonQuote("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3"),
            "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb3\"");
}

TEST(JsonQuote, EscapesWhatATerminalOrYamlCouldTakeWrong) {
  EXPECT_EQ(JsonQuote("\xc2\x9b"), R"("\u009b")");
  EXPECT_EQ(JsonQuote("\xe2\x80\xa8"), R"("\u2028")");
  EXPECT_EQ(JsonQuote("\xef\xbb\xbf"), R"("\ufeff")");
}

TEST(JsonQuote, ReplacesWhatIsNotUtf8) {
  EXPECT_EQ(JsonQuote("a\xff"
                      "b"),
            "\"a\xef\xbf\xbd"
            "b\"");
  EXPECT_EQ(JsonQuote("\xc3"), "\"\xef\xbf\xbd\"");
}

TEST(IsUtf8, RefusesOverlongSurrogatesAndBeyond) {
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(IsUtf8("\xf4\x8f\xbf\xbf"));
  EXPECT_TRUE(IsUtf8("\xed\x9f\xbf"));
  EXPECT_FALSE(IsUtf8("\xc0\xaf"));
  EXPECT_FALSE(IsUtf8("\xe0\x80\xaf"));
  EXPECT_FALSE(IsUtf8("\xed\xa0\x80"));
  EXPECT_FALSE(IsUtf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(IsUtf8("\x80"));
  EXPECT_FALSE(IsUtf8("\xe2\x82"));
}

TEST(ToJson, PrettyHasTwoSpacesALevel) {
  Node root = Node::Object();
  root.fields.emplace_back("a", Node::List());
  Node list = Node::List();
  list.items = {Node::Literal("1"), Node::Object()};
  root.fields.emplace_back("b", list);
  EXPECT_EQ(ToJson(root, JsonStyle::kPretty),
            "{\n"
            "  \"a\": [],\n"
            "  \"b\": [\n"
            "    1,\n"
            "    {}\n"
            "  ]\n"
            "}");
  EXPECT_EQ(ToJson(root, JsonStyle::kLine), R"({"a":[],"b":[1,{}]})");
}

}  // namespace
}  // namespace vx::client
