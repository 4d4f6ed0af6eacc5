#include "client/lib/yaml.h"

#include <gtest/gtest.h>

namespace vx::client {
namespace {

TEST(ToYaml, WritesBlocks) {
  Node exit = Node::Object();
  exit.fields.emplace_back("code", Node::Literal("0"));
  exit.fields.emplace_back("reason", Node::String("oom"));
  Node root = Node::Object();
  root.fields.emplace_back("name", Node::String("web"));
  root.fields.emplace_back("exit", exit);
  Node list = Node::List();
  list.items = {Node::String("sh"), Node::String("-c"), exit};
  root.fields.emplace_back("list", list);
  root.fields.emplace_back("none", Node::Null());
  root.fields.emplace_back("empty", Node::List());
  root.fields.emplace_back("map", Node::Object());
  EXPECT_EQ(ToYaml(root),
            "name: web\n"
            "exit:\n"
            "  code: 0\n"
            "  reason: oom\n"
            "list:\n"
            "  - sh\n"
            "  - \"-c\"\n"
            "  - code: 0\n"
            "    reason: oom\n"
            "none: null\n"
            "empty: []\n"
            "map: {}\n");
}

TEST(ToYaml, WritesListsInLists) {
  Node inner = Node::List();
  inner.items = {Node::Literal("1"), Node::Literal("2")};
  Node outer = Node::List();
  outer.items = {inner, Node::Literal("3")};
  EXPECT_EQ(ToYaml(outer), "- - 1\n  - 2\n- 3\n");
}

TEST(ToYaml, WritesAnEmptyRoot) {
  EXPECT_EQ(ToYaml(Node::List()), "[]\n");
  EXPECT_EQ(ToYaml(Node::Object()), "{}\n");
}

TEST(IsPlainYaml, QuotesWhatAReaderWouldTakeForSomethingElse) {
  for (const char* text : {"",
                           "true",
                           "No",
                           "ON",
                           "off",
                           "null",
                           "y",
                           "~",
                           "1",
                           "1.5",
                           "0x10",
                           "1e3",
                           "-1",
                           "+1",
                           ".5",
                           ".inf",
                           ".nan",
                           "12e5",
                           "0o7",
                           "1_000",
                           "12:30:45",
                           "2027-01-15",
                           "2027-01-15T08:00:00Z",
                           "- a",
                           "-c",
                           "? a",
                           ": a",
                           "a: b",
                           "a:",
                           "a #b",
                           "#a",
                           "&a",
                           "*a",
                           "!a",
                           "|",
                           ">",
                           "'a'",
                           "\"a\"",
                           "%a",
                           "@a",
                           "`a",
                           "{a",
                           "[a",
                           ",a",
                           " a",
                           "a ",
                           "a\nb",
                           "h\xc3\xa9",
                           "=",
                           "<<"}) {
    EXPECT_FALSE(IsPlainYaml(text)) << text;
  }
}

TEST(IsPlainYaml, LeavesOrdinaryWordsAlone) {
  for (const char* text : {"web", "busybox:latest", "/bin/sh", "container", "a b", "on-failure",
                           "sha256:12ab", "unix:///run/vx/vxd.sock", "nothing", "_x"}) {
    EXPECT_TRUE(IsPlainYaml(text)) << text;
  }
}

}  // namespace
}  // namespace vx::client
