#include "daemon/network/dhcp_release.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vx::network {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr char kFile[] =
    "1795968422 02:00:00:00:00:06 10.117.9.6 * 01:02:00:00:00:00:06\n"
    "1795968416 02:00:00:00:00:05 10.117.9.5 web *\n"
    "duid 00:01:00:01:2e:aa:bb:cc:02:00:00:00:00:05\n"
    "1795968416 1 fd00:9::5 * 00:01:00:01\n";

TEST(Leases, AreThoseOfIpv4) {
  const std::vector<Lease> leases = ParseLeases(kFile);
  ASSERT_THAT(leases, SizeIs(2));
  EXPECT_EQ(leases[0].mac, "02:00:00:00:00:06");
  EXPECT_EQ(ToString(leases[0].address), "10.117.9.6");
  EXPECT_EQ(leases[0].client_id, std::string("\x01\x02\0\0\0\0\x06", 7));
  EXPECT_EQ(ToString(leases[1].address), "10.117.9.5");
  EXPECT_EQ(leases[1].client_id, "");
}

TEST(Leases, OfAFileThatIsDamagedAreThoseThatCanBeRead) {
  EXPECT_THAT(ParseLeases(""), IsEmpty());
  EXPECT_THAT(ParseLeases("1 02:00:00:00:00:06\n\n1 x nowhere * *\n"), IsEmpty());
}

TEST(Release, SaysWhoGivesWhatBackToWhom) {
  const Address server = *ParseAddress("10.117.9.1");
  const std::string packet = MakeRelease(ParseLeases(kFile)[0], server);
  ASSERT_GE(packet.size(), 300u);
  EXPECT_EQ(packet.substr(0, 3), std::string("\1\1\6"));
  EXPECT_EQ(packet.substr(12, 4), std::string("\x0a\x75\x09\x06"));
  EXPECT_EQ(packet.substr(28, 6), std::string("\x02\0\0\0\0\x06", 6));
  EXPECT_EQ(packet.substr(236, 4), "\x63\x82\x53\x63");
  EXPECT_EQ(packet.substr(240, 3), std::string("\x35\x01\x07"));
  EXPECT_EQ(packet.substr(243, 6), std::string("\x36\x04\x0a\x75\x09\x01"));
  EXPECT_EQ(packet.substr(249, 9), std::string("\x3d\x07\x01\x02\0\0\0\0\x06", 9));
  EXPECT_EQ(packet[258], '\xff');
}

}  // namespace
}  // namespace vx::network
