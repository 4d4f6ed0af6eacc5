#include "daemon/network/foreign_rules.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vx::network {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kForward[] =
    R"({"chain":{"family":"ip","table":"filter","name":"FORWARD","type":"filter",)"
    R"("hook":"forward","prio":0,"policy":"drop"}})";
constexpr char kDockerUser[] =
    R"({"chain":{"family":"ip","table":"filter","name":"DOCKER-USER"}})";

std::string List(std::initializer_list<std::string> items) {
  std::string text = R"({"nftables":[{"metainfo":{"json_schema_version":1}})";
  for (const std::string& item : items) absl::StrAppend(&text, ",", item);
  return text + "]}";
}

std::string Rule(const std::string& chain, const std::string& expression) {
  return absl::StrCat(R"({"rule":{"family":"ip","table":"filter","chain":")", chain,
                      R"(","expr":[)", expression, "]}}");
}

std::string FromLink(const std::string& link) {
  return absl::StrCat(R"({"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":")", link,
                      R"("}})");
}

std::vector<ForeignDrop> Find(const std::string& text) {
  auto found = FindForeignDrops(text, "vx-1", "vx1b0");
  EXPECT_TRUE(found.ok()) << found.status();
  return found.value_or(std::vector<ForeignDrop>());
}

TEST(ForeignRules, APolicyOfDroppingIsFoundWithItsRemedy) {
  const auto found = Find(List({kForward}));
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].chain, "ip filter FORWARD");
  EXPECT_THAT(found[0].remedy, HasSubstr("nft insert rule ip filter FORWARD iifname vx1b0 accept"));
}

TEST(ForeignRules, DockersAndUfwsHaveTheirOwnPlaces) {
  EXPECT_THAT(Find(List({kForward, kDockerUser}))[0].remedy,
              HasSubstr("iptables -I DOCKER-USER -i vx1b0 -j ACCEPT"));
  EXPECT_THAT(
      Find(List({kForward, R"({"chain":{"family":"ip","table":"filter","name":"ufw-before-input"}})"}))[0]
          .remedy,
      HasSubstr("ufw route allow in on vx1b0"));
}

TEST(ForeignRules, ARuleThatAcceptsTheBridgeIsEnough) {
  const std::string accept = R"({"accept":null})";
  EXPECT_THAT(Find(List({kForward, kDockerUser,
                         Rule("DOCKER-USER", FromLink("vx1b0") + "," + accept)})),
              IsEmpty());
  EXPECT_THAT(Find(List({kForward, Rule("FORWARD", FromLink("vx1*") + "," + accept)})), IsEmpty());
  EXPECT_THAT(Find(List({kForward, Rule("FORWARD", FromLink("docker0") + "," + accept)})), SizeIs(1));
}

TEST(ForeignRules, ARejectForAllCountsAsOne) {
  const std::string open =
      R"({"chain":{"family":"ip","table":"filter","name":"FORWARD","hook":"forward",)"
      R"("policy":"accept"}})";
  EXPECT_THAT(Find(List({open})), IsEmpty());
  EXPECT_THAT(Find(List({open, Rule("FORWARD", R"({"reject":null})")})), SizeIs(1));
  EXPECT_THAT(Find(List({open, Rule("FORWARD", FromLink("x") + R"(,{"drop":null})")})), IsEmpty());
}

TEST(ForeignRules, OurOwnTableAndOtherHooksAreNone) {
  EXPECT_THAT(Find(List({R"({"chain":{"family":"inet","table":"vx-1","name":"forward",)"
                         R"("hook":"forward","policy":"drop"}})",
                         R"({"chain":{"family":"ip","table":"filter","name":"INPUT",)"
                         R"("hook":"input","policy":"drop"}})"})),
              IsEmpty());
}

TEST(ForeignRules, WhatIsNoListIsAnError) {
  for (const char* text : {"", "{}", "[]", R"({"nftables":{}})", "nonsense"}) {
    EXPECT_FALSE(FindForeignDrops(text, "vx-1", "vx1b0").ok()) << text;
  }
  // What is not as it should be inside says nothing.
  EXPECT_THAT(Find(List({"1", R"({"chain":7})", R"({"rule":{"expr":7}})", "null"})), IsEmpty());
}

}  // namespace
}  // namespace vx::network
