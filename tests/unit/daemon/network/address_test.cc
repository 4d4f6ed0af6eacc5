#include "daemon/network/address.h"

#include <gtest/gtest.h>

#include "daemon/base/error.h"

namespace vx::network {
namespace {

Address A(absl::string_view text) { return ParseAddress(text).value(); }
Prefix P(absl::string_view text) { return ParsePrefix(text).value(); }

TEST(Address, ComesBackAsItWasWritten) {
  for (const char* text : {"0.0.0.0", "10.20.0.1", "255.255.255.255", "::", "fd00::1", "fe80::a:b"}) {
    EXPECT_EQ(ToString(A(text)), text);
  }
}

TEST(Address, IsRefusedByItsText) {
  for (const char* text : {"", "10", "10.0.0", "10.0.0.256", "10.0.0.1 ", "::g", "fd00:::1", "web"}) {
    const auto address = ParseAddress(text);
    EXPECT_FALSE(address.ok()) << text;
    EXPECT_EQ(ErrorReason(address.status()), "BAD_ADDRESS");
    EXPECT_NE(address.status().message().find(text), absl::string_view::npos);
  }
  EXPECT_FALSE(ParseAddress(absl::string_view("10.0.0.1\0x", 10)).ok());
}

TEST(Prefix, ComesBackAsItWasWritten) {
  for (const char* text : {"0.0.0.0/0", "10.20.0.1/24", "10.0.0.1/32", "fd00::/64", "::1/128"}) {
    EXPECT_EQ(ToString(P(text)), text);
  }
}

TEST(Prefix, IsRefusedByItsText) {
  for (const char* text : {"", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8",
                           "10.0.0.0/ 8", "10.0.0.0/-1", "fd00::/129", "10.0.0.0/8/8",
                           "10.0.0.0/4294967304"}) {
    const auto prefix = ParsePrefix(text);
    EXPECT_FALSE(prefix.ok()) << text;
    EXPECT_EQ(ErrorReason(prefix.status()), "BAD_PREFIX");
  }
}

TEST(Prefix, HasTheBitsBehindItsLengthCleared) {
  EXPECT_EQ(NetworkOf(P("10.20.30.40/20")), P("10.20.16.0/20"));
  EXPECT_EQ(NetworkOf(P("10.20.30.40/0")), P("0.0.0.0/0"));
  EXPECT_EQ(NetworkOf(P("10.20.30.40/32")), P("10.20.30.40/32"));
  EXPECT_EQ(NetworkOf(P("fd00:1:2:3:4:5:6:7/64")), P("fd00:1:2:3::/64"));
  EXPECT_EQ(NetworkOf(P("fd00::1/0")), P("::/0"));
}

TEST(Prefix, ContainsItsAddressesOfItsFamilyAlone) {
  EXPECT_TRUE(Contains(P("10.20.0.1/24"), A("10.20.0.255")));
  EXPECT_FALSE(Contains(P("10.20.0.0/24"), A("10.20.1.0")));
  EXPECT_TRUE(Contains(P("fd00::/64"), A("fd00::ffff:0:0:1")));
  EXPECT_FALSE(Contains(P("fd00::/64"), A("fd00:0:0:1::1")));
  EXPECT_FALSE(Contains(P("0.0.0.0/0"), A("::1")));
}

TEST(Prefix, OverlapsWhatIsInsideAndAround) {
  EXPECT_TRUE(Overlap(P("10.0.0.0/8"), P("10.20.0.0/24")));
  EXPECT_TRUE(Overlap(P("10.20.0.0/24"), P("10.0.0.0/8")));
  EXPECT_TRUE(Overlap(P("10.20.0.7/24"), P("10.20.0.9/24")));
  EXPECT_FALSE(Overlap(P("10.20.0.0/24"), P("10.20.1.0/24")));
  EXPECT_FALSE(Overlap(P("0.0.0.0/0"), P("::/0")));
}

TEST(Prefix, CountsItsAddressesFromItsFirst) {
  EXPECT_EQ(Nth(P("10.20.0.77/16"), 258), A("10.20.1.2"));
  EXPECT_EQ(NumberOf(P("10.20.0.77/16"), A("10.20.1.2")), 258u);
  EXPECT_EQ(Nth(P("fd00::/64"), 0xffffffffffffffff), A("fd00::ffff:ffff:ffff:ffff"));
  EXPECT_EQ(NumberOf(P("fd00::/64"), A("fd00::ffff:ffff:ffff:ffff")), 0xffffffffffffffff);
}

}  // namespace
}  // namespace vx::network
