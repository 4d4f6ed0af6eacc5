#include "plugins/agent/boot_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vx::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsNull;

BootNic Typical() {
  return {.mac = "52:54:00:12:34:56",
          .link = "eth0",
          .mtu = 1400,
          .addresses = {"10.1.2.3/24", "fd00::3/64"},
          .gateways = {"10.1.2.1", "fd00::1"}};
}

TEST(BootNicTest, ComesBackAsItWasEncoded) {
  BootNic bare = {.mac = "02:00:00:00:00:01", .link = "eth1"};
  for (const BootNic& nic : {Typical(), bare}) {
    BootNic decoded;
    ASSERT_TRUE(DecodeNic(EncodeNic(nic), decoded));
    EXPECT_EQ(decoded, nic);
    EXPECT_THAT(CheckNic(nic), IsNull());
  }
}

TEST(BootNicTest, RefusesFieldsThatAreMissingOrNoNumbers) {
  for (const char* text : {"", "02:00:00:00:00:01", "02:00:00:00:00:01 eth0 x - -",
                           "02:00:00:00:00:01 eth0 1500", "02:00:00:00:00:01 eth0 1500 -"}) {
    BootNic nic;
    EXPECT_FALSE(DecodeNic(text, nic)) << text;
  }
}

TEST(BootNicTest, RefusesWhatNoLinkCanBeGiven) {
  BootNic nic = Typical();
  nic.mac = "52:54:00:12:34";
  EXPECT_THAT(CheckNic(nic), HasSubstr("hardware address"));
  for (const char* name : {"", "..", "a/b", "a b", "a:1", "sixteen-letters-"}) {
    nic = Typical();
    nic.link = name;
    EXPECT_THAT(CheckNic(nic), HasSubstr("name")) << name;
  }
  nic = Typical();
  nic.mtu = 65536;
  EXPECT_THAT(CheckNic(nic), HasSubstr("mtu"));
  for (const char* address :
       {"10.0.0.1", "10.0.0.1/33", "10.0.0/8", "fd00::1/129", "x/1", "1.2.3.4/"}) {
    nic = Typical();
    nic.addresses = {address};
    EXPECT_THAT(CheckNic(nic), HasSubstr("address")) << address;
  }
  nic = Typical();
  nic.gateways = {"10.0.0.1/24"};
  EXPECT_THAT(CheckNic(nic), HasSubstr("gateway"));
}

TEST(BootNicTest, AddressesAreReadInNetworkOrder) {
  IpAddress address;
  ASSERT_TRUE(ParsePrefix("10.1.2.3/24", address));
  EXPECT_FALSE(address.v6);
  EXPECT_EQ(address.prefix, 24);
  EXPECT_EQ(address.bytes[0], 10);
  EXPECT_EQ(address.bytes[3], 3);
  ASSERT_TRUE(ParseAddress("fd00::5", address));
  EXPECT_TRUE(address.v6);
  EXPECT_EQ(address.prefix, 128);
  EXPECT_EQ(address.bytes[15], 5);
  uint8_t mac[6];
  ASSERT_TRUE(ParseMac("52:54:00:ab:CD:ef", mac));
  EXPECT_THAT(mac, ElementsAre(0x52, 0x54, 0, 0xab, 0xcd, 0xef));
  EXPECT_FALSE(ParseMac("52-54-00-ab-cd-ef", mac));
}

}  // namespace
}  // namespace vx::agent
