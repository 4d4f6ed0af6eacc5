// The firewall in the kernel that this runs on, with traffic, in namespaces of the test's own:
// a host with two networks, an internal one, and a LAN.
#include "daemon/network/firewall.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"
#include "daemon/network/host_settings.h"
#include "daemon/network/links.h"
#include "tests/unit/daemon/network/frames.h"
#include "tests/unit/daemon/network/namespaces.h"

namespace vx::network {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string MacOf(int net, int number) { return absl::StrCat("02:00:00:00:0", net, ":0", number); }
std::string LinkOf(int net, int number) { return absl::StrCat("vxtestp", net, number); }
std::string V4(int net, int number) { return absl::StrCat("10.2", net, ".0.", number); }
std::string V6(int net, int number) { return absl::StrCat("fd00:2", net, "::", number); }

class FirewallTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root to make a network namespace";
    if (FindProgram("nft").empty()) GTEST_SKIP() << "nft is not installed";
    ASSERT_TRUE(EnterFreshNamespace()) << strerror(errno);
    for (int net : {0, 1, 2}) MakeNetwork(net);
    MakeLan();
    // A LAN is nobody's network: it is behind the firewall.
    Plug(a_, 0, 11);
    Plug(b_, 0, 12);
    Plug(c_, 1, 11);
    Plug(internal_, 2, 11);
    config_.networks[2].internal = true;
    Publish({.host_port = 8080, .guest_port = 80});
    ASSERT_FINE(firewall_.Apply(config_));
    ASSERT_FINE(EnableForwarding(true));
    for (int net : {0, 1, 2}) ASSERT_FINE(AllowLoopbackPublishing(absl::StrCat("vxtest", net)));
  }

  void MakeNetwork(int net) {
    BridgeConfig bridge{.name = absl::StrCat("vxtest", net),
                        .addresses = {P(V4(net, 1) + "/24"), P(V6(net, 1) + "/64")}};
    ASSERT_FINE(EnsureBridge(bridge));
    config_.networks.push_back({.bridge = bridge.name,
                                .prefixes = {P(V4(net, 0) + "/24"), P(V6(net, 0) + "/64")},
                                .gateways = {A(V4(net, 1)), A(V6(net, 1))}});
  }

  void MakeLan() {
    ASSERT_FINE(EnsureBridge({.name = "lan", .addresses = {P("192.0.2.1/24"), P("2001:db8::1/64")}}));
    ASSERT_FINE(PlugNetns("lan",
                          {.host_link = "lanp",
                           .guest_link = "eth0",
                           .mac = "02:00:00:00:09:09",
                           .addresses = {P("192.0.2.9/24"), P("2001:db8::9/64")},
                           .gateways = {A("192.0.2.1"), A("2001:db8::1")}},
                          lan_.fd()));
  }

  // The workload `number`, also the last of its addresses, on that network.
  void Plug(const Namespace& inside, int net, int number, bool isolated = false) {
    const int last = number % 10;
    config_.ports.push_back({.link = LinkOf(net, last),
                             .mac = MacOf(net, last),
                             .addresses = {A(V4(net, number)), A(V6(net, number))}});
    ASSERT_FINE(PlugNetns(absl::StrCat("vxtest", net),
                          {.host_link = LinkOf(net, last),
                           .guest_link = "eth0",
                           .mac = MacOf(net, last),
                           .addresses = {P(V4(net, number) + "/24"), P(V6(net, number) + "/64")},
                           .gateways = {A(V4(net, 1)), A(V6(net, 1))},
                           .isolated = isolated},
                          inside.fd()));
  }

  // Of workload a.
  void Publish(PublishedPort port) {
    port.targets = {A(V4(0, 11)), A(V6(0, 11))};
    port.bridge = "vxtest0";
    config_.published.push_back(port);
  }

  std::string Tables() { return RunCommandOk({"nft", "list", "ruleset"}).value_or("no nft"); }

  FirewallConfig config_;
  Firewall firewall_{"test"};
  Namespace a_, b_, c_, internal_, lan_;
};

TEST_F(FirewallTest, APublishedPortIsReachedOnIpv4FromEverywhere) {
  const UniqueFd listener = BindIn(a_, A("0.0.0.0"), 80);
  EXPECT_TRUE(Serves(ConnectFrom(lan_, A("192.0.2.1"), 8080), listener)) << "from the LAN";
  EXPECT_TRUE(Serves(Connect(A("127.0.0.1"), 8080), listener)) << "from the host";
  EXPECT_TRUE(Serves(Connect(A("192.0.2.1"), 8080), listener)) << "from the host, its address";
  EXPECT_TRUE(Serves(ConnectFrom(b_, A(V4(0, 1)), 8080), listener)) << "from the same network";
  EXPECT_TRUE(Serves(ConnectFrom(c_, A(V4(1, 1)), 8080), listener)) << "from another network";
  EXPECT_TRUE(Serves(ConnectFrom(a_, A("192.0.2.1"), 8080), listener)) << "from itself";
}

TEST_F(FirewallTest, APublishedPortIsReachedOnIpv6FromEverywhere) {
  const UniqueFd listener = BindIn(a_, A("::"), 80);
  EXPECT_TRUE(Serves(ConnectFrom(lan_, A("2001:db8::1"), 8080), listener)) << "from the LAN";
  EXPECT_TRUE(Serves(Connect(A("2001:db8::1"), 8080), listener)) << "from the host";
  EXPECT_TRUE(Serves(ConnectFrom(b_, A(V6(0, 1)), 8080), listener)) << "from the same network";
  EXPECT_TRUE(Serves(ConnectFrom(c_, A(V6(1, 1)), 8080), listener)) << "from another network";
  EXPECT_TRUE(Serves(ConnectFrom(a_, A("2001:db8::1"), 8080), listener)) << "from itself";
}

TEST_F(FirewallTest, ARangeAtOneAddressLeadsThereAlone) {
  Publish({.host_ip = "192.0.2.1", .host_port = 9000, .guest_port = 90, .count = 3});
  ASSERT_FINE(firewall_.Apply(config_));
  const UniqueFd listener = BindIn(a_, A("0.0.0.0"), 92);
  EXPECT_TRUE(Serves(ConnectFrom(lan_, A("192.0.2.1"), 9002), listener));
  EXPECT_FALSE(Connect(A("127.0.0.1"), 9002, kSilenceMs).valid());
}

TEST_F(FirewallTest, UdpIsPublishedByItself) {
  Publish({.host_port = 5000, .guest_port = 50, .udp = true});
  ASSERT_FINE(firewall_.Apply(config_));
  const UniqueFd server = BindIn(a_, A("0.0.0.0"), 50, SOCK_DGRAM);
  const UniqueFd client = BindIn(lan_, A("0.0.0.0"), 0, SOCK_DGRAM);
  SocketAddress to = ToSocketAddress(A("192.0.2.1"), 5000);
  ASSERT_EQ(connect(client.get(), to.get(), to.size), 0);
  ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
  ASSERT_TRUE(Readable(server.get()));
  SocketAddress from;
  from.size = sizeof from.storage;
  char byte = 0;
  ASSERT_EQ(recvfrom(server.get(), &byte, 1, 0, from.get(), &from.size), 1);
  ASSERT_EQ(sendto(server.get(), "y", 1, 0, from.get(), from.size), 1);
  ASSERT_TRUE(Readable(client.get()));
  EXPECT_EQ(recv(client.get(), &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'y');
}

TEST_F(FirewallTest, WhatIsNotPublishedIsNotReachedFromOutside) {
  for (const std::string& address : {V4(0, 11), V6(0, 11)}) {
    const UniqueFd listener = BindIn(a_, A(address), 80);
    EXPECT_FALSE(ConnectFrom(lan_, A(address), 80, kSilenceMs).valid()) << address;
    EXPECT_FALSE(ConnectFrom(c_, A(address), 80, kSilenceMs).valid()) << address;
    EXPECT_TRUE(Serves(ConnectFrom(b_, A(address), 80), listener)) << address;
  }
}

TEST_F(FirewallTest, WorkloadsGoOutFromTheHostsAddress) {
  const UniqueFd listener = BindIn(lan_, A("0.0.0.0"), 80);
  const UniqueFd client = ConnectFrom(a_, A("192.0.2.9"), 80);
  ASSERT_TRUE(client.valid());
  ASSERT_TRUE(Readable(listener.get()));
  SocketAddress from;
  from.size = sizeof from.storage;
  const UniqueFd server(accept(listener.get(), from.get(), &from.size));
  SocketAddress host = ToSocketAddress(A("192.0.2.1"), 0);
  EXPECT_EQ(reinterpret_cast<sockaddr_in*>(from.get())->sin_addr.s_addr,
            reinterpret_cast<sockaddr_in*>(host.get())->sin_addr.s_addr);
  EXPECT_TRUE(Echoes(client.get(), server.get()));
  const UniqueFd listener6 = BindIn(lan_, A("::"), 80);
  EXPECT_TRUE(Serves(ConnectFrom(a_, A("2001:db8::9"), 80), listener6));
}

TEST_F(FirewallTest, AnInternalNetworkHasNoWayOutAndNoneIn) {
  config_.published[0].targets = {A(V4(2, 11)), A(V6(2, 11))};
  ASSERT_FINE(firewall_.Apply(config_));
  const UniqueFd outside = BindIn(lan_, A("0.0.0.0"), 80);
  const UniqueFd inside = BindIn(internal_, A("0.0.0.0"), 80);
  EXPECT_FALSE(ConnectFrom(internal_, A("192.0.2.9"), 80, kSilenceMs).valid());
  EXPECT_FALSE(ConnectFrom(lan_, A("192.0.2.1"), 8080, kSilenceMs).valid());
  EXPECT_FALSE(ConnectFrom(a_, A(V4(2, 11)), 80, kSilenceMs).valid());
  EXPECT_TRUE(Serves(Connect(A(V4(2, 11)), 80), inside)) << "the host";
}

TEST_F(FirewallTest, OfTheHostWorkloadsReachNamesAlone) {
  const UniqueFd names = Bind(A(V4(0, 1)), 53), names6 = Bind(A(V6(0, 1)), 53);
  const UniqueFd other = Bind(A("0.0.0.0"), 22), other6 = Bind(A("::"), 22);
  EXPECT_TRUE(Serves(ConnectFrom(a_, A(V4(0, 1)), 53), names));
  EXPECT_TRUE(Serves(ConnectFrom(a_, A(V6(0, 1)), 53), names6));
  for (const std::string& address : {V4(0, 1), V6(0, 1), V4(1, 1), std::string("192.0.2.1")}) {
    EXPECT_FALSE(ConnectFrom(a_, A(address), 22, kSilenceMs).valid()) << address;
  }
  EXPECT_FALSE(ConnectFrom(a_, A(V4(1, 1)), 53, kSilenceMs).valid()) << "another's names";
  EXPECT_TRUE(Serves(ConnectFrom(lan_, A("192.0.2.1"), 22), other)) << "not ours to refuse";
}

TEST_F(FirewallTest, TheHostsLoopbackIsNotReachedFromABridge) {
  const UniqueFd listener = Bind(A("127.0.0.1"), 5000, SOCK_DGRAM);
  const UniqueFd raw = PacketSocket(a_);
  const std::string frame =
      Ethernet(BridgeMac("vxtest0"), MacOf(0, 1), ETHERTYPE_IP,
               UdpPacket(A(V4(0, 11)), A("127.0.0.1"), 5000, "theirs"));
  ASSERT_EQ(send(raw.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  const UniqueFd own = Bind(A("127.0.0.1"), 0, SOCK_DGRAM);
  SocketAddress to = ToSocketAddress(A("127.0.0.1"), 5000);
  ASSERT_EQ(sendto(own.get(), "own", 3, 0, to.get(), to.size), 3);
  char text[16] = {};
  ASSERT_EQ(recv(listener.get(), text, sizeof text, 0), 3);
  EXPECT_STREQ(text, "own");
}

TEST_F(FirewallTest, FramesThatAreNotThePortsOwnGoNowhere) {
  const std::string mine = MacOf(0, 1), to = MacOf(0, 2), stranger = "02:00:00:00:07:07";
  const Address a = A(V4(0, 11)), b = A(V4(0, 12)), a6 = A(V6(0, 11)), b6 = A(V6(0, 12));
  const Address gateway6 = A(V6(0, 1)), local6 = A("fe80::11");
  const std::vector<std::string> frames = {
      Ethernet(to, mine, ETHERTYPE_IP, UdpPacket(A(V4(0, 13)), b, 5000, "another's address")),
      Ethernet(to, stranger, ETHERTYPE_IP, UdpPacket(a, b, 5000, "another mac")),
      Ethernet(to, mine, ETHERTYPE_ARP, ArpReply(mine, A(V4(0, 1)), b)),
      Ethernet(to, mine, ETHERTYPE_ARP, ArpReply(stranger, a, b)),
      Ethernet(to, mine, ETHERTYPE_IPV6, Icmp6(A(V6(0, 13)), b6, 128, a6)),
      Ethernet(to, mine, ETHERTYPE_IPV6, Icmp6(a6, b6, 136, gateway6)),
      Ethernet(to, mine, ETHERTYPE_IPV6, Icmp6(local6, b6, 134, a6)),
      Ethernet(to, mine, ETHERTYPE_VLAN, Number(7) + Number(ETHERTYPE_IP) +
                                             UdpPacket(a, b, 5000, "in a vlan")),
      Ethernet(to, mine, 0x88b5, std::string(46, 'x')),
      Ethernet(to, mine, ETHERTYPE_ARP, ArpReply(mine, a, b)),
      Ethernet(to, mine, ETHERTYPE_IPV6, Icmp6(a6, b6, 136, a6)),
      Ethernet(to, mine, ETHERTYPE_IPV6, Icmp6(local6, b6, 136, local6)),
      Ethernet(to, mine, ETHERTYPE_IP, UdpPacket(a, b, 5000, "honest")),
  };
  const UniqueFd from = PacketSocket(a_), at = PacketSocket(b_);
  for (const std::string& frame : frames) {
    ASSERT_EQ(send(from.get(), frame.data(), frame.size(), 0), static_cast<ssize_t>(frame.size()));
  }
  const std::set<std::string> arrived = Arrived(at.get(), frames);
  for (size_t i = 0; i < frames.size(); ++i) {
    EXPECT_EQ(arrived.contains(frames[i]), i >= 9) << "frame " << i;
  }
}

TEST_F(FirewallTest, IsolationHoldsThroughTheHostToo) {
  Namespace one, two;
  Plug(one, 0, 14, true);
  Plug(two, 0, 15, true);
  ASSERT_FINE(firewall_.Apply(config_));
  one.Run([&] {
    ASSERT_FINE(RunCommandOk({"ip", "route", "add", V4(0, 15), "via", V4(0, 1)}).status());
  });
  const UniqueFd listener = BindIn(two, A("0.0.0.0"), 80);
  EXPECT_FALSE(ConnectFrom(one, A(V4(0, 15)), 80, kSilenceMs).valid());
  EXPECT_TRUE(Serves(ConnectFrom(b_, A(V4(0, 15)), 80), listener)) << "not isolated";
}

TEST_F(FirewallTest, AConnectionGoesOnWhileRulesAreMadeAnew) {
  const UniqueFd listener = BindIn(a_, A("0.0.0.0"), 80), outside = BindIn(lan_, A("0.0.0.0"), 80);
  const UniqueFd in = ConnectFrom(lan_, A("192.0.2.1"), 8080);
  const UniqueFd out = ConnectFrom(b_, A("192.0.2.9"), 80);
  const UniqueFd in_server(accept(listener.get(), nullptr, nullptr));
  const UniqueFd out_server(accept(outside.get(), nullptr, nullptr));
  config_.published.clear();
  for (int i = 0; i < 3; ++i) {
    ASSERT_FINE(firewall_.Apply(config_));
    EXPECT_TRUE(Echoes(in.get(), in_server.get()));
    EXPECT_TRUE(Echoes(out.get(), out_server.get()));
  }
  EXPECT_FALSE(ConnectFrom(lan_, A("192.0.2.1"), 8080, kSilenceMs).valid());
}

TEST_F(FirewallTest, APortAloneIsWhatApplyMakesOfIt) {
  const std::string all = Tables();
  const FirewallPort port = config_.ports[1];
  ASSERT_FINE(firewall_.RemovePort(port));
  EXPECT_THAT(Tables(), Not(HasSubstr(port.link)));
  ASSERT_FINE(firewall_.RemovePort(port));
  ASSERT_FINE(firewall_.AddPort(port));
  ASSERT_FINE(firewall_.AddPort(port));
  for (const char* word : {"\"vxtestp02\",", "02:00:00:00:00:02,"}) {
    EXPECT_EQ(Tables().find(word) == std::string::npos, all.find(word) == std::string::npos);
  }
  EXPECT_EQ(Tables().size(), all.size());
  const UniqueFd listener = BindIn(a_, A("0.0.0.0"), 80);
  EXPECT_TRUE(Serves(ConnectFrom(b_, A(V4(0, 11)), 80), listener));
}

TEST_F(FirewallTest, TablesOfOthersStayAsTheyAre) {
  ASSERT_FINE(firewall_.Remove());
  ASSERT_FINE(RunCommandOk({"nft", "add table inet theirs; add chain inet theirs c { type filter "
                                   "hook input priority 0; }; add rule inet theirs c ip saddr 198.51.100.1 drop"})
                  .status());
  const std::string before = Tables();
  ASSERT_FINE(firewall_.Apply(config_));
  EXPECT_THAT(Tables(), HasSubstr("vx-test"));
  ASSERT_FINE(firewall_.Remove());
  ASSERT_FINE(firewall_.Remove());
  EXPECT_EQ(Tables(), before);
  EXPECT_EQ(firewall_.AddPort(config_.ports[0]).code(), absl::StatusCode::kNotFound);
}

TEST_F(FirewallTest, WhatNftRefusesIsToldAndChangesNothing) {
  const std::string before = Tables();
  Publish({.host_port = 8080, .guest_port = 81});  // a second time, to somewhere else
  const absl::Status status = firewall_.Apply(config_);
  EXPECT_EQ(ErrorReason(status), "NO_NFTABLES");
  EXPECT_THAT(std::string(status.message()), HasSubstr("Error"));
  EXPECT_EQ(Tables(), before);
}

TEST_F(FirewallTest, WordsThatCouldBeRulesAreRefused) {
  const std::string before = Tables();
  FirewallConfig bad = config_;
  bad.networks[0].bridge = "a\"; flush ruleset";
  EXPECT_EQ(ErrorReason(firewall_.Apply(bad)), "BAD_LINK_NAME");
  bad = config_;
  bad.ports[0].mac = "02:00:00:00:00:01 }; flush ruleset";
  EXPECT_EQ(ErrorReason(firewall_.Apply(bad)), "BAD_MAC");
  bad = config_;
  bad.published[0].host_port = 65536;
  EXPECT_EQ(ErrorReason(firewall_.Apply(bad)), "BAD_PORT");
  bad = config_;
  bad.published[0].host_ip = "localhost";
  EXPECT_EQ(ErrorReason(firewall_.Apply(bad)), "BAD_ADDRESS");
  EXPECT_EQ(Tables(), before);
}

TEST_F(FirewallTest, NoNetworkIsFineToo) { ASSERT_FINE(firewall_.Apply({})); }

}  // namespace
}  // namespace vx::network
