#include "plugins/agent/network.h"

#include <gmock/gmock.h>

#include "tests/unit/plugins/agent/own_namespaces.h"

namespace vx::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class SetUpLinksTest : public OwnNamespacesTest {
 protected:
  void AddCard(const std::string& name, const std::string& mac) {
    Shell("ip link add " + name + " address " + mac + " type veth peer name far-" + name +
          " && ip link set far-" + name + " up");
  }

  const BootNic first_ = {.mac = "52:54:00:00:00:01",
                          .link = "eth0",
                          .mtu = 1400,
                          .addresses = {"10.9.0.2/24", "fd09::2/64"},
                          .gateways = {"10.9.0.1", "fd09::1"}};
  const BootNic second_ = {
      .mac = "52:54:00:00:00:0A", .link = "eth1", .addresses = {"10.8.0.2/16"}};
};

TEST_F(SetUpLinksTest, ALinkHasWhatItsNetworkSays) {
  AddCard("card", first_.mac);
  EXPECT_THAT(SetUpLinks({first_}, 0), IsEmpty());
  const std::string link = Shell("ip address show eth0");
  EXPECT_THAT(link, HasSubstr("UP"));
  EXPECT_THAT(link, HasSubstr("mtu 1400"));
  EXPECT_THAT(link, HasSubstr("inet 10.9.0.2/24 brd 10.9.0.255"));
  EXPECT_THAT(link, HasSubstr("inet6 fd09::2/64"));
  EXPECT_THAT(Shell("ip route"), HasSubstr("default via 10.9.0.1 dev eth0"));
  EXPECT_THAT(Shell("ip -6 route"), HasSubstr("default via fd09::1 dev eth0"));
}

TEST_F(SetUpLinksTest, AnAddressOfIpv6IsUsableAtOnce) {
  AddCard("eth0", first_.mac);
  EXPECT_THAT(SetUpLinks({first_}, 0), IsEmpty());
  EXPECT_THAT(Shell("ip -6 address show eth0 scope global"), Not(HasSubstr("tentative")));
}

TEST_F(SetUpLinksTest, TheLoopbackIsUpWhateverElseThereIs) {
  EXPECT_THAT(SetUpLinks({}, 0), IsEmpty());
  EXPECT_THAT(Shell("ip address show lo"), HasSubstr("127.0.0.1/8"));
}

TEST_F(SetUpLinksTest, NamesThatAreMixedUpAreSwapped) {
  AddCard("eth1", first_.mac);
  AddCard("eth0", "52:54:00:00:00:0a");
  EXPECT_THAT(SetUpLinks({first_, second_}, 0), IsEmpty());
  EXPECT_THAT(Shell("ip link show eth0"), HasSubstr("52:54:00:00:00:01"));
  EXPECT_THAT(Shell("ip link show eth1"), HasSubstr("52:54:00:00:00:0a"));
  EXPECT_THAT(Shell("ip address show eth1"), HasSubstr("10.8.0.2/16"));
}

TEST_F(SetUpLinksTest, ACardThatIsMissingIsNamedAndTheOtherWorks) {
  AddCard("eth0", second_.mac);
  const auto complaints = SetUpLinks({first_, second_}, 10);
  EXPECT_THAT(complaints, ElementsAre(HasSubstr("52:54:00:00:00:01 for eth0 did not appear")));
  EXPECT_THAT(Shell("ip address show eth1"), HasSubstr("10.8.0.2/16"));
}

TEST_F(SetUpLinksTest, ALinkIsUsableOnceAllIsSetUp) {
  AddCard("eth0", first_.mac);
  EXPECT_THAT(SetUpLinks({first_}, 0), IsEmpty());
  EXPECT_THAT(Shell("ip link show eth0"), HasSubstr("UP,LOWER_UP"));
}

TEST_F(SetUpLinksTest, ALinkWithoutACarrierIsNamed) {
  AddCard("eth0", first_.mac);
  Shell("ip link set far-eth0 down");
  EXPECT_THAT(SetUpLinks({first_}, 0), ElementsAre("eth0 has no carrier"));
}

TEST_F(SetUpLinksTest, WhatTheKernelRefusesIsSaidWithItsReason) {
  AddCard("eth0", first_.mac);
  BootNic nic = first_;
  nic.gateways = {"192.0.2.1"};
  EXPECT_THAT(SetUpLinks({nic}, 0),
              ElementsAre(HasSubstr("way out by 192.0.2.1 on eth0: Network is unreachable")));
  EXPECT_THAT(Shell("ip address show eth0"), HasSubstr("10.9.0.2/24"));
}

}  // namespace
}  // namespace vx::agent
