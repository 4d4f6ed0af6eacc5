// What is told to nft; what the kernel makes of it is in firewall_kernel_test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/network/firewall.h"
#include "daemon/network/set_elements.h"

namespace vx::network {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

Address A(absl::string_view text) { return ParseAddress(text).value(); }
Prefix P(absl::string_view text) { return ParsePrefix(text).value(); }

FirewallConfig Config() {
  FirewallConfig config;
  config.networks.push_back({.bridge = "vxb0",
                             .prefixes = {P("10.20.0.0/24"), P("fd00:20::/64")},
                             .gateways = {A("10.20.0.1"), A("fd00:20::1")}});
  config.ports.push_back({.link = "vxp1",
                          .mac = "02:00:00:00:00:0A",
                          .addresses = {A("10.20.0.11"), A("fd00:20::11")}});
  return config;
}

PublishedPort Published(std::string host_ip) {
  return {.host_ip = std::move(host_ip),
          .host_port = 8080,
          .guest_port = 80,
          .targets = {A("10.20.0.11"), A("fd00:20::11")},
          .bridge = "vxb0"};
}

std::string RulesetOf(const PublishedPort& port) {
  FirewallConfig config = Config();
  config.published.push_back(port);
  return Firewall("a1b2").Ruleset(config);
}

TEST(Ruleset, IsOfTheInstancesTablesAlone) {
  const std::string text = Firewall("a1b2").Ruleset(Config());
  EXPECT_THAT(text, StartsWith("table inet vx-a1b2\ndelete table inet vx-a1b2\n"));
  EXPECT_THAT(text, HasSubstr("delete table bridge vx-a1b2\n"));
  EXPECT_THAT(text, Not(HasSubstr("flush ruleset")));
}

TEST(Ruleset, TellsAPortsMacInLowerCaseWithItsAddresses) {
  const std::string text = Firewall("a1b2").Ruleset(Config());
  EXPECT_THAT(text, HasSubstr("\"vxp1\" . 02:00:00:00:00:0a . 10.20.0.11"));
  EXPECT_THAT(text, HasSubstr("\"vxp1\" . 02:00:00:00:00:0a . fd00:20::11"));
  EXPECT_THAT(text, HasSubstr("0xfd000020000000000000000000000011"));
}

TEST(Ruleset, PublishesOnEveryAddressWithoutOne) {
  const std::string text = RulesetOf(Published(""));
  EXPECT_THAT(text, HasSubstr("8080 : 10.20.0.11 . 80"));
  EXPECT_THAT(text, HasSubstr("8080 : fd00:20::11 . 80"));
}

TEST(Ruleset, PublishesOnOneFamilyAtItsUnspecifiedAddress) {
  const std::string text = RulesetOf(Published("0.0.0.0"));
  EXPECT_THAT(text, HasSubstr("    8080 : 10.20.0.11 . 80"));
  EXPECT_THAT(text, Not(HasSubstr("8080 : fd00:20::11")));
}

TEST(Ruleset, PublishesAtAGivenAddressOfItsFamily) {
  const std::string text = RulesetOf(Published("127.0.0.1"));
  EXPECT_THAT(text, HasSubstr("127.0.0.1 . 8080 : 10.20.0.11 . 80"));
  EXPECT_THAT(text, Not(HasSubstr("8080 : fd00:20::11")));
}

TEST(Ruleset, LeavesTheLoopbackOfIpv6ToAProxy) {
  EXPECT_THAT(RulesetOf(Published("::1")), Not(HasSubstr("8080")));
}

TEST(Ruleset, LeadsEachPortOfARangeToItsOwn) {
  PublishedPort port = Published("");
  port.count = 3;
  EXPECT_THAT(RulesetOf(port), HasSubstr("8082 : 10.20.0.11 . 82"));
  EXPECT_THAT(RulesetOf(port), Not(HasSubstr("8083")));
}

TEST(Ruleset, GivesAnInternalNetworkNoWayOut) {
  FirewallConfig config = Config();
  const std::string way_out = "ip saddr 10.20.0.0/24 oifname != \"vxb0\" masquerade";
  EXPECT_THAT(Firewall("a1b2").Ruleset(config), HasSubstr(way_out));
  config.networks[0].internal = true;
  EXPECT_THAT(Firewall("a1b2").Ruleset(config), Not(HasSubstr(way_out)));
}

TEST(SetElements, ArePaddedAsTheKernelComparesThem) {
  const auto elements = ElementsOf(Config().ports[0]);
  ASSERT_TRUE(elements.ok()) << elements.status();
  ASSERT_EQ(elements->size(), 5u);
  EXPECT_EQ((*elements)[0].key, std::string("vxp1\0\0\0\0\0\0\0\0\0\0\0\0", 16));
  EXPECT_EQ((*elements)[1].key.size(), 24u);
  EXPECT_EQ((*elements)[2].key.substr(16), std::string("\2\0\0\0\0\x0a\0\0\x0a\x14\0\x0b", 12));
  EXPECT_EQ((*elements)[3].key.size(), 40u);
  EXPECT_EQ((*elements)[3].key, (*elements)[4].key);
}

TEST(SetElements, RefuseWhatIsNoMacAndNoLink) {
  FirewallPort port = Config().ports[0];
  port.mac = "x";
  EXPECT_EQ(ErrorReason(ElementsOf(port).status()), "BAD_MAC");
  port = Config().ports[0];
  port.link = "a\"; flush ruleset";
  EXPECT_EQ(ErrorReason(ElementsOf(port).status()), "BAD_LINK_NAME");
}

}  // namespace
}  // namespace vx::network
