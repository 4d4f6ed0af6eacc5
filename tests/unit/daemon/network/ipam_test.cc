#include "daemon/network/ipam.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace vx::network {
namespace {

Address A(absl::string_view text) { return ParseAddress(text).value(); }
Prefix P(absl::string_view text) { return ParsePrefix(text).value(); }

const Address kGateway = A("10.20.0.1");

std::string Free(absl::string_view prefix, const std::set<Address>& taken, uint64_t after) {
  const auto address = FreeAddress(P(prefix), kGateway, taken, after);
  return address.ok() ? ToString(*address) : ErrorReason(address.status());
}

TEST(FreeAddress, IsTheLowestThatIsNotTaken) {
  EXPECT_EQ(Free("10.20.0.0/24", {}, 0), "10.20.0.2");
  EXPECT_EQ(Free("10.20.0.0/24", {A("10.20.0.2"), A("10.20.0.4")}, 0), "10.20.0.3");
  EXPECT_EQ(Free("fd00::/64", {A("fd00::1")}, 0), "fd00::2");
}

TEST(FreeAddress, ComesBehindTheLastGivenAndThenFromTheFirstOn) {
  EXPECT_EQ(Free("10.20.0.0/24", {}, 9), "10.20.0.10");
  EXPECT_EQ(Free("10.20.0.0/24", {A("10.20.0.2")}, 254), "10.20.0.3");
  EXPECT_EQ(Free("10.20.0.0/24", {}, 99999), "10.20.0.2");
  EXPECT_EQ(Free("fd00::/64", {}, 0xffffffffffffffff), "fd00::1");
}

TEST(FreeAddress, MayBeTheOneJustGivenBackWhenThereIsNoOther) {
  EXPECT_EQ(Free("10.20.0.0/29", {A("10.20.0.2"), A("10.20.0.3"), A("10.20.0.4"), A("10.20.0.5")}, 6),
            "10.20.0.6");
}

TEST(FreeAddress, IsNeitherFirstNorGatewayNorBroadcast) {
  std::set<Address> taken;
  for (int i = 0; i < 5; ++i) {
    const auto address = FreeAddress(P("10.20.0.0/29"), kGateway, taken, taken.size() + 1);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_TRUE(taken.insert(*address).second);
  }
  EXPECT_EQ(*taken.begin(), A("10.20.0.2"));
  EXPECT_EQ(*taken.rbegin(), A("10.20.0.6"));
  EXPECT_EQ(Free("10.20.0.0/29", taken, 3), "NO_ADDRESS");
}

TEST(FreeAddress, IsNotThereInAPrefixWithoutHosts) {
  EXPECT_EQ(Free("10.20.0.0/31", {}, 0), "NO_ADDRESS");
  EXPECT_EQ(Free("10.20.0.9/32", {}, 0), "NO_ADDRESS");
  EXPECT_EQ(Free("fd00::9/128", {}, 0), "NO_ADDRESS");
  EXPECT_EQ(Free("10.20.0.0/30", {}, 0), "10.20.0.2");
}

TEST(CheckAddress, RefusesWhatCanNotBeGiven) {
  EXPECT_TRUE(CheckAddress(P("10.20.0.0/24"), kGateway, A("10.20.0.254")).ok());
  EXPECT_TRUE(CheckAddress(P("fd00::/64"), A("fd00::1"), A("fd00::ffff:ffff:ffff:ffff")).ok());
  for (const char* wanted : {"10.20.0.0", "10.20.0.1", "10.20.0.255", "10.20.1.2", "fd00::2"}) {
    const absl::Status status = CheckAddress(P("10.20.0.0/24"), kGateway, A(wanted));
    EXPECT_EQ(ErrorReason(status), "BAD_ADDRESS") << wanted;
    EXPECT_NE(status.message().find(wanted), absl::string_view::npos);
  }
}

std::string Subnet(absl::string_view pool, int length, const std::vector<Prefix>& taken) {
  const auto subnet = FreeSubnet(P(pool), length, taken);
  return subnet.ok() ? ToString(*subnet) : ErrorReason(subnet.status());
}

TEST(FreeSubnet, IsTheFirstThatOverlapsNothing) {
  EXPECT_EQ(Subnet("10.117.0.0/16", 24, {}), "10.117.0.0/24");
  EXPECT_EQ(Subnet("10.117.0.0/16", 24, {P("10.117.0.9/32"), P("10.117.1.128/25")}), "10.117.2.0/24");
  EXPECT_EQ(Subnet("10.117.0.0/16", 24, {P("10.117.128.0/17"), P("10.117.0.0/17")}), "NO_SUBNET");
  EXPECT_EQ(Subnet("10.117.0.0/16", 24, {P("10.0.0.0/8")}), "NO_SUBNET");
  EXPECT_EQ(Subnet("10.117.0.0/16", 24, {P("fd00::/8")}), "10.117.0.0/24");
}

TEST(FreeSubnet, StepsOverWideOnesAtOnce) {
  EXPECT_EQ(Subnet("fd00::/8", 64, {P("fd00::/9"), P("fd80::/64")}), "fd80:0:0:1::/64");
}

TEST(FreeSubnet, EndsWhereAddressesEnd) {
  EXPECT_EQ(Subnet("255.255.255.0/24", 25, {P("255.255.255.0/24")}), "NO_SUBNET");
  EXPECT_EQ(Subnet("0.0.0.0/0", 0, {P("0.0.0.0/0")}), "NO_SUBNET");
}

TEST(FreeSubnet, IsNoLargerThanThePool) {
  EXPECT_EQ(Subnet("10.117.0.0/24", 16, {}), "NO_SUBNET");
  EXPECT_EQ(Subnet("10.117.0.0/24", 33, {}), "NO_SUBNET");
  EXPECT_EQ(Subnet("10.117.0.0/24", 24, {}), "10.117.0.0/24");
}

TEST(UniqueLocal, IsOfItsSeedAndIndex) {
  const Prefix first = UniqueLocal("a1b2c3d4", 0);
  EXPECT_EQ(first.length, 64);
  EXPECT_TRUE(Contains(P("fd00::/8"), first.address));
  EXPECT_EQ(first, NetworkOf(first));
  EXPECT_EQ(first, UniqueLocal("a1b2c3d4", 0));
  EXPECT_FALSE(Overlap(first, UniqueLocal("a1b2c3d4", 256)));
  EXPECT_TRUE(Contains({first.address, 48}, UniqueLocal("a1b2c3d4", 0xffff).address));
  EXPECT_FALSE(Contains({first.address, 48}, UniqueLocal("a1b2c3d5", 0).address));
}

TEST(Mac, IsMadeUnicastAndLocal) {
  EXPECT_EQ(MakeMac("x").size(), 17u);
  EXPECT_EQ(MakeMac("x").substr(0, 3), "02:");
  EXPECT_EQ(MakeMac("x"), MakeMac("x"));
  EXPECT_NE(MakeMac("x"), MakeMac("y"));
  EXPECT_TRUE(CheckMac(MakeMac("x")).ok());
}

TEST(Mac, IsRefusedWhenItIsNoneOrAGroups) {
  EXPECT_TRUE(CheckMac("02:AB:cd:00:00:01").ok());
  for (const char* mac : {"", "02", "02:00:00:00:00", "02:00:00:00:00:00:00", "2:0:0:0:0:1",
                          "02-00-00-00-00-01", "0g:00:00:00:00:01", "01:00:00:00:00:01",
                          "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"}) {
    EXPECT_EQ(ErrorReason(CheckMac(mac)), "BAD_MAC") << mac;
  }
}

}  // namespace
}  // namespace vx::network
