// Bridges and ports of the kernel that this runs on, in namespaces of the test's own.
#include "daemon/network/links.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "tests/unit/daemon/network/namespaces.h"

namespace vx::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const BridgeConfig kBridge{
    .name = "vxtest0", .addresses = {P("10.20.0.1/24"), P("fd00:20::1/64")}, .mtu = 1400};

PortConfig Port(int number) {
  return {.host_link = absl::StrCat("vxtestp", number),
          .guest_link = "eth0",
          .mac = absl::StrCat("02:00:00:00:00:0", number),
          .addresses = {P(absl::StrCat("10.20.0.1", number, "/24")),
                        P(absl::StrCat("fd00:20::1", number, "/64"))},
          .gateways = {A("10.20.0.1"), A("fd00:20::1")},
          .mtu = 1400};
}

// What ip(8) says of a link; the test's namespace is its own.
std::string Show(const std::vector<std::string>& arguments) {
  std::vector<std::string> argv = {"ip", "-d"};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunCommandOk(argv).value_or("");
}

class LinksTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to make a network namespace";
    ASSERT_TRUE(EnterFreshNamespace()) << strerror(errno);
    ASSERT_FINE(EnsureBridge(kBridge));
  }
};

TEST_F(LinksTest, ABridgeIsUpWithItsAddressesUsableAtOnce) {
  EXPECT_TRUE(CheckBridge("vxtest0").ok());
  EXPECT_TRUE(Bind(A("10.20.0.1"), 1234).valid());
  EXPECT_TRUE(Bind(A("fd00:20::1"), 1234).valid());
  const std::string shown = Show({"link", "show", "vxtest0"});
  EXPECT_THAT(shown, HasSubstr("mtu 1400"));
  EXPECT_THAT(shown, HasSubstr("stp_state 0"));
  EXPECT_THAT(shown, HasSubstr(BridgeMac("vxtest0")));
  EXPECT_EQ(ReadFile("/proc/sys/net/ipv6/conf/vxtest0/accept_ra").value_or(""), "0\n");
}

TEST_F(LinksTest, ABridgeThatIsThereIsMadeAsItShouldBe) {
  const std::string before = RunCommandOk({"ip", "address", "show", "vxtest0"}).value_or("");
  ASSERT_FINE(EnsureBridge(kBridge));
  EXPECT_EQ(RunCommandOk({"ip", "address", "show", "vxtest0"}).value_or("?"), before);

  BridgeConfig other = kBridge;
  other.addresses = {P("10.20.0.9/24"), P("10.20.0.1/24")};
  other.mtu = 9000;
  ASSERT_FINE(EnsureBridge(other));
  const std::string after = Show({"address", "show", "vxtest0"});
  EXPECT_THAT(after, HasSubstr("10.20.0.9/24"));
  EXPECT_THAT(after, HasSubstr("10.20.0.1/24"));
  EXPECT_THAT(after, Not(HasSubstr("fd00:20::1/64")));
  EXPECT_THAT(after, HasSubstr("mtu 9000"));
}

TEST_F(LinksTest, ALinkOfAnotherKindIsNoBridge) {
  EXPECT_EQ(ErrorReason(CheckBridge("lo")), "NO_BRIDGE");
  EXPECT_EQ(ErrorReason(CheckBridge("vxtest9")), "NO_BRIDGE");
  BridgeConfig config = kBridge;
  config.name = "lo";
  EXPECT_EQ(ErrorReason(EnsureBridge(config)), "NO_BRIDGE");
  config.name = "a-name-that-is-long";
  EXPECT_EQ(ErrorReason(EnsureBridge(config)), "BAD_LINK_NAME");
}

TEST_F(LinksTest, WorkloadsAndTheHostReachEachOtherOnBothFamilies) {
  const Namespace one, two;
  ASSERT_FINE(PlugNetns("vxtest0", Port(1), one.fd()));
  ASSERT_FINE(PlugNetns("vxtest0", Port(2), two.fd()));
  for (const char* address : {"10.20.0.12", "fd00:20::12"}) {
    const UniqueFd listener = BindIn(two, A(address), 80);
    ASSERT_TRUE(listener.valid());
    EXPECT_TRUE(Serves(ConnectFrom(one, A(address), 80), listener)) << address;
    EXPECT_TRUE(Serves(Connect(A(address), 80), listener)) << address;
  }
  const UniqueFd host = Bind(A("10.20.0.1"), 80);
  EXPECT_TRUE(Serves(ConnectFrom(one, A("10.20.0.1"), 80), host));
}

TEST_F(LinksTest, AWorkloadHasItsMacMtuAndGateways) {
  const Namespace inside;
  ASSERT_FINE(PlugNetns("vxtest0", Port(1), inside.fd()));
  std::string link, routes;
  inside.Run([&] {
    link = Show({"address", "show", "eth0"});
    routes = Show({"route"}) + Show({"-6", "route"});
  });
  EXPECT_THAT(link, HasSubstr("02:00:00:00:00:01"));
  EXPECT_THAT(link, HasSubstr("mtu 1400"));
  EXPECT_THAT(link, HasSubstr("10.20.0.11/24 brd 10.20.0.255"));
  EXPECT_THAT(link, HasSubstr("fd00:20::11/64"));
  EXPECT_THAT(routes, HasSubstr("default via 10.20.0.1 dev eth0"));
  EXPECT_THAT(routes, HasSubstr("default via fd00:20::1 dev eth0"));
  EXPECT_THAT(Show({"link", "show", "vxtestp1"}), HasSubstr("hairpin on"));
  EXPECT_THAT(Show({"address", "show", "vxtestp1"}), Not(HasSubstr("inet6")));
}

TEST_F(LinksTest, IsolatedPortsReachTheHostAndNotEachOther) {
  const Namespace one, two;
  for (int number : {1, 2}) {
    PortConfig port = Port(number);
    port.isolated = true;
    ASSERT_FINE(PlugNetns("vxtest0", port, (number == 1 ? one : two).fd()));
  }
  const UniqueFd listener = BindIn(two, A("0.0.0.0"), 80);
  EXPECT_TRUE(Serves(Connect(A("10.20.0.12"), 80), listener));
  EXPECT_FALSE(ConnectFrom(one, A("10.20.0.12"), 80, kSilenceMs).valid());
}

TEST_F(LinksTest, WhatFailsLeavesNoLink) {
  const Namespace inside;
  PortConfig port = Port(1);
  port.gateways = {A("10.99.0.1")};  // on no network of the port's
  const absl::Status status = PlugNetns("vxtest0", port, inside.fd());
  EXPECT_FALSE(status.ok());
  EXPECT_THAT(std::string(status.message()), HasSubstr("10.99.0.1"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("gateway"));
  EXPECT_FALSE(LinkExists("vxtestp1"));
  EXPECT_EQ(ErrorReason(PlugNetns("vxtest9", Port(1), inside.fd())), "NO_BRIDGE");
  EXPECT_THAT(LinksNamed("vxtest").value(), ElementsAre("vxtest0"));
}

TEST_F(LinksTest, APortThatAnEarlierRunLeftIsReplaced) {
  const Namespace before, now;
  ASSERT_FINE(PlugNetns("vxtest0", Port(1), before.fd()));
  ASSERT_FINE(PlugNetns("vxtest0", Port(1), now.fd()));
  EXPECT_TRUE(Serves(Connect(A("10.20.0.11"), 80), BindIn(now, A("0.0.0.0"), 80)));
}

TEST_F(LinksTest, ATapIsPluggedIn) {
  const UniqueFd tap(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  ifreq request = {};
  strcpy(request.ifr_name, "vxtestt1");
  request.ifr_flags = IFF_TAP | IFF_NO_PI;
  if (ioctl(tap.get(), TUNSETIFF, &request) != 0) GTEST_SKIP() << "no /dev/net/tun";
  ASSERT_FINE(PlugTap("vxtest0", Port(1), "vxtestt1"));
  const std::string shown = Show({"link", "show", "vxtestt1"});
  EXPECT_THAT(shown, HasSubstr("master vxtest0"));
  EXPECT_THAT(shown, HasSubstr(",UP"));
  EXPECT_EQ(PlugTap("vxtest0", Port(1), "vxtestt9").code(), absl::StatusCode::kNotFound);
}

TEST_F(LinksTest, RemovalIsFineTwice) {
  const Namespace inside;
  ASSERT_FINE(PlugNetns("vxtest0", Port(1), inside.fd()));
  EXPECT_THAT(LinksNamed("vxtest").value(), ElementsAre("vxtest0", "vxtestp1"));
  ASSERT_FINE(RemoveLink("vxtestp1"));
  ASSERT_FINE(RemoveLink("vxtestp1"));
  ASSERT_FINE(RemoveLink("vxtest0"));
  EXPECT_THAT(LinksNamed("vxtest").value(), ElementsAre());
}

TEST_F(LinksTest, RoutesOfTheHostAreItsNetworks) {
  ASSERT_FINE(RunCommandOk({"ip", "route", "add", "172.20.0.0/16", "via", "10.20.0.7"}).status());
  ASSERT_FINE(RunCommandOk({"ip", "route", "add", "10.30.0.0/24", "via", "10.20.0.7", "table", "77"}).status());
  ASSERT_FINE(RunCommandOk({"ip", "address", "add", "10.40.0.1/32", "dev", "lo"}).status());
  ASSERT_FINE(RunCommandOk({"ip", "route", "add", "default", "via", "10.20.0.7"}).status());
  const auto routes = HostRoutes();
  ASSERT_TRUE(routes.ok()) << routes.status();
  EXPECT_THAT(*routes, ElementsAre(P("10.20.0.0/24"), P("10.30.0.0/24"), P("10.40.0.1/32"),
                                   P("172.20.0.0/16"), P("fd00:20::/64")));
}

}  // namespace
}  // namespace vx::network
