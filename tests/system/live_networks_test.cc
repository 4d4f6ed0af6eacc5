// Networks, names and ports that change while workloads run.
#include <signal.h>

#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "daemon/base/file.h"
#include "tests/system/networks_fixture.h"

namespace vx::system_test {
namespace {

using testing::HasSubstr;

class LiveNetworksTest : public NetworksTest {
 protected:
  std::string Lab(const Words& flags = {}) {
    Words create = {"network", "create", "lab", "--subnet", "10.20.0.0/24"};
    create.insert(create.end(), flags.begin(), flags.end());
    EXPECT_THAT(Vxctl(create), Succeeds());
    return "lab";
  }
};
VX_EACH_KIND(LiveNetworksTest);

TEST_P(LiveNetworksTest, AWorkloadIsPutOnANetworkAndTakenOffIt) {
  Lab();
  Serve("far", {"--network", "lab"});
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  EXPECT_EQ(Get("client", AddressOf("far")), "");
  EXPECT_THAT(Vxctl({"network", "connect", "lab", "client", "--ip", "10.50.0.9"}),
              FailsSaying(1, {"10.50.0.9", "lab", "BAD_ADDRESS"}));
  EXPECT_THAT(Vxctl({"network", "connect", "lab", "client", "--ip", AddressOf("client")}),
              FailsSaying(1, {"BAD_ADDRESS"}));
  ASSERT_THAT(Vxctl({"network", "connect", "lab", "client", "--ip", "10.20.0.77"}), Succeeds());
  EXPECT_EQ(AddressOf("client", 2), "10.20.0.77");
  EXPECT_EQ(Get("client", AddressOf("far")), "far");
  EXPECT_EQ(Get("client", AddressOf("far", 1)), "far") << "IPv6";
  EXPECT_THAT(Inside("far", "nslookup client"), HasSubstr("10.20.0.77"));
  EXPECT_THAT(Vxctl({"network", "connect", "lab", "client"}), FailsSaying(1, {"client", "lab"}));
  ASSERT_THAT(Vxctl({"network", "disconnect", "lab", "client"}), Succeeds());
  EXPECT_EQ(Get("client", AddressOf("far")), "");
  EXPECT_EQ(Inside("client", "ls /sys/class/net | grep -c eth"), "1");
  EXPECT_THAT(Vxctl({"network", "disconnect", "lab", "client"}), FailsSaying(1, {"client", "lab"}));
  EXPECT_EQ(vx().Inspect("client")["spec"]["networks"], Json::array({"default"}));
  EXPECT_EQ(vx().Inspect("client")["spec"]["addresses"], Json::array());
}

TEST_P(LiveNetworksTest, TheWayOutMovesToAnotherNetwork) {
  Lab();
  RunDetached("client", "echo ready; sleep 600", {"--network", "default", "--network", "lab"});
  ASSERT_THAT(Vxctl({"network", "disconnect", "default", "client"}), Succeeds());
  EXPECT_THAT(Inside("client", "ip route"), HasSubstr("default via 10.20.0.1"));
  ASSERT_THAT(Vxctl({"restart", "-t", "0s", "client"}), Succeeds());
  EXPECT_THAT(Inside("client", "ip route"), HasSubstr("default via 10.20.0.1"));
}

TEST_P(LiveNetworksTest, WhatIsStoppedIsConnectedAtItsNextStart) {
  Lab();
  ASSERT_THAT(Vxctl({"create", kind_flag(), "--name", "later", "busybox", "--", "sleep", "600"}),
              Succeeds());
  ASSERT_THAT(Vxctl({"network", "connect", "lab", "later"}), Succeeds());
  ASSERT_THAT(Vxctl({"start", "later"}), Succeeds());
  EXPECT_TRUE(absl::StartsWith(AddressOf("later"), "10.20.0.")) << AddressOf("later");
  EXPECT_THAT(Inside("later", "ip route"), HasSubstr("default via 10.20.0.1"));
}

TEST_P(LiveNetworksTest, ANewNameIsFoundAtOnce) {
  Serve("web", {"--network", "default"});
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  ASSERT_THAT(Vxctl({"rename", "web", "shop"}), Succeeds());
  EXPECT_EQ(Get("client", "shop"), "web");
  EXPECT_EQ(Inside("client", "nslookup web >/dev/null || echo gone"), "gone");
  EXPECT_THAT(Vxctl({"rename", "shop", "client"}), FailsSaying(1, {"client", "NAME_TAKEN"}));
  EXPECT_THAT(Vxctl({"rename", "shop", "No"}), FailsSaying(1, {"No"}));
  EXPECT_THAT(Vxctl({"inspect", "web"}), FailsSaying(1, {"web"}));
}

TEST_P(LiveNetworksTest, PortsArePublishedInBothFamiliesAndChangeLive) {
  Serve("web", {"--network", "default", "-p", "8080:80"});
  EXPECT_EQ(FromHostSoon("127.0.0.1", 8080), "web");
  EXPECT_EQ(FromHost("::1", 8080), "web");
  const std::string gateway = vx().Inspect("web")["status"]["networks"][0]["gateways"][1];
  EXPECT_EQ(FromHost(gateway, 8080), "web");
  ASSERT_THAT(Vxctl({"update", "web", "-p", "8080:80", "-p", "8081:80"}), Succeeds());
  EXPECT_EQ(FromHost("127.0.0.1", 8081), "web");
  EXPECT_EQ(FromHost("::1", 8081), "web");
  EXPECT_EQ(FromHost("::1", 8080), "web");
  ASSERT_THAT(Vxctl({"update", "web", "-p", "8081:81"}), Succeeds()) << "its own proxy is no taker";
  EXPECT_EQ(FromHost("127.0.0.1", 8081), "");
  EXPECT_THAT(Vxctl({"network", "disconnect", "default", "web"}),
              FailsSaying(1, {"publishes ports", "-p none", "LAST_NETWORK"}));
  ASSERT_THAT(Vxctl({"update", "web", "-p", "[::1]:8082:80"}), Succeeds());
  EXPECT_EQ(FromHost("127.0.0.1", 8080), "");
  EXPECT_EQ(FromHost("::1", 8081), "");
  EXPECT_EQ(FromHost("::1", 8082), "web");
  ASSERT_THAT(Vxctl({"update", "web", "-p", "none"}), Succeeds());
  EXPECT_EQ(FromHost("::1", 8082), "");
}

TEST_P(LiveNetworksTest, UnpublishedPortsAreForwarded) {
  Serve("web", {"--network", "default"});
  const std::unique_ptr<Child> forwarder =
      vx().VxctlInBackground({"port-forward", "web", "9090:80", "9091:81"});
  ASSERT_TRUE(forwarder->WaitForOutput("9091 -> web:81"));
  EXPECT_EQ(FromHostSoon("127.0.0.1", 9090), "web");
  EXPECT_EQ(FromHost("127.0.0.1", 9091), "") << "nobody listens there";
  EXPECT_EQ(FromHost("127.0.0.1", 9090), "web");
  forwarder->Signal(SIGINT);
  EXPECT_EQ(forwarder->Wait().code, 0);
  EXPECT_THAT(Vxctl({"port-forward", "nobody", "9090:80"}), FailsSaying(1, {"nobody"}));
  EXPECT_THAT(Vxctl({"port-forward", "web", "x:80"}), FailsSaying(2, {"x:80"}));
}

TEST_P(LiveNetworksTest, WhatIsOverTheLimitIsDropped) {
  RunDetached("slow", "echo ready; sleep 600", {"--network", "default"});
  const std::string gateway = vx().VxctlJson({"network", "inspect", "default"})["spec"]["gateway"];
  ASSERT_THAT(Vxctl({"update", "slow", "--network-out", "512K", "--network-in", "512K"}),
              Succeeds());
  // Ten full packets of 60 KiB at once are more than half a second's worth and its burst.
  const std::string ping = absl::StrCat("ping -c 20 -i 0.01 -s 60000 -W 2 ", gateway,
                                        " | sed -n 's/.* \\([0-9]*\\) packets received.*/\\1/p'");
  int received = -1;
  EXPECT_TRUE(absl::SimpleAtoi(Inside("slow", ping), &received));
  EXPECT_LT(received, 20);
  EXPECT_GT(received, 0);
  EXPECT_THAT(Vxctl({"update", "slow", "--network-in", "1"}), FailsSaying(1, {"--network-in"}));
  ASSERT_THAT(Vxctl({"update", "slow", "--network-out", "8G"}), Succeeds());
  EXPECT_THAT(Vxctl({"update", "slow", "--network-out", "9G"}), FailsSaying(1, {"--network-out"}));
  EXPECT_THAT(Vxctl({"network", "disconnect", "default", "slow"}),
              FailsSaying(1, {"limits", "--network-in 0"}));
  ASSERT_THAT(Vxctl({"update", "slow", "--network-out", "0", "--network-in", "0"}), Succeeds());
  EXPECT_EQ(Inside("slow", ping), "20");
  ASSERT_THAT(Vxctl({"network", "disconnect", "default", "slow"}), Succeeds());
}

TEST_P(LiveNetworksTest, AnEndedNameServerComesBackAndTrafficGoesOn) {
  Serve("web", {"--network", "default"});
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  const std::string address = AddressOf("web");
  const std::string dir = vx().runtime_dir() + "/networks";
  auto uids = ListDir(dir);
  ASSERT_TRUE(uids.ok());
  const std::string pid_file = absl::StrCat(dir, "/", uids->front(), "/pid");
  int before = 0;
  ASSERT_TRUE(absl::SimpleAtoi(*ReadFile(pid_file), &before));
  // An open connection, over the death of both vxd and the name server.
  const std::string transfer = absl::StrCat(
      "(printf 'GET / HTTP/1.0\\r\\n'; while [ ! -e /tmp/go ]; do sleep 0.1; done; printf '\\r\\n'; "
      "sleep 1) | nc -w 30 ", address, " 80 >/tmp/page; echo done >>/tmp/page");
  ASSERT_THAT(Vxctl({"exec", "-d", "client", "--", "sh", "-c", transfer}), Succeeds());
  Inside("client", absl::StrCat("while ! netstat -tn | grep -q ", address, ":80.*ESTAB; do :; done"));
  vx().Kill();
  ASSERT_EQ(kill(before, SIGKILL), 0);
  vx().Start();
  EXPECT_EQ(Inside("client", "touch /tmp/go; while ! grep -q done /tmp/page; do :; done; "
                             "grep -c web /tmp/page"),
            "1");
  EXPECT_EQ(Get("client", "web"), "web") << "names are there again";
  // With vxd alive it is started again by itself.
  int second = 0;
  ASSERT_TRUE(absl::SimpleAtoi(*ReadFile(pid_file), &second));
  ASSERT_EQ(kill(second, SIGKILL), 0);
  EXPECT_EQ(Inside("client", "while ! nslookup web >/dev/null 2>&1; do :; done; echo there"),
            "there");
}

TEST_P(LiveNetworksTest, TheLanReachesPublishedPortsAndNothingElse) {
  Serve("web", {"--network", "default", "-p", "8080:80"});
  // Another host, on a network of the host's own.
  const Words commands[] = {
      {"ip", "link", "add", "lan0", "type", "veth", "peer", "name", "far0"},
      {"ip", "addr", "add", "192.0.2.1/24", "dev", "lan0"},
      {"ip", "addr", "add", "2001:db8::1/64", "dev", "lan0", "nodad"},
      {"ip", "link", "set", "lan0", "up"}};
  Child far({"unshare", "--net", "sh", "-c", "echo there; exec sleep 600"});
  ASSERT_TRUE(far.WaitForOutput("there"));
  const std::string pid = absl::StrCat(far.pid());
  for (const Words& command : commands) ASSERT_THAT(RunProgram(command), Succeeds());
  ASSERT_THAT(RunProgram({"ip", "link", "set", "far0", "netns", pid}), Succeeds());
  auto there = [&](const std::string& script) {
    return RunProgram({"nsenter", "-t", pid, "-n", "bash", "-c", script});
  };
  ASSERT_THAT(there("ip addr add 192.0.2.2/24 dev far0; ip addr add 2001:db8::2/64 dev far0 nodad; "
                    "ip link set far0 up; ip route add default via 192.0.2.1; "
                    "ip -6 route add default via 2001:db8::1"),
              Succeeds());
  auto get = [&](const std::string& address, int port) {
    return Page(there(absl::StrCat("exec 3<>/dev/tcp/", address, "/", port, " && printf '", kRequest,
                                   "' >&3 && timeout 5 cat <&3"))
                    .out);
  };
  EXPECT_EQ(FromHostSoon("127.0.0.1", 8080), "web");
  EXPECT_EQ(get("192.0.2.1", 8080), "web");
  EXPECT_EQ(get("2001:db8::1", 8080), "web");
  EXPECT_EQ(there(absl::StrCat("timeout 3 bash -c 'exec 3<>/dev/tcp/", AddressOf("web"),
                               "/80' && echo open"))
                .out,
            "");
  // The way out, which an internal network has not.
  EXPECT_EQ(Inside("web", "ping -c 1 -W 5 192.0.2.2 >/dev/null && echo yes"), "yes");
  EXPECT_EQ(Inside("web", "ping -c 1 -W 5 2001:db8::2 >/dev/null && echo yes"), "yes");
  Lab({"--internal"});
  RunDetached("inner", "echo ready; sleep 600", {"--network", "lab"});
  EXPECT_EQ(Inside("inner", "ip route add default via 10.20.0.1 2>/dev/null; "
                            "ping -c 1 -W 2 192.0.2.2 >/dev/null || echo no"),
            "no");
  EXPECT_THAT(RunProgram({"ip", "link", "del", "lan0"}), Succeeds());
  far.Signal(SIGKILL);
  far.Wait();
}

TEST_P(LiveNetworksTest, NobodySpeaksInAnothersName) {
  Serve("web", {"--network", "default"});
  Words flags = {"--network", "default"};
  if (!vm()) flags.insert(flags.end(), {"--cap-add", "NET_ADMIN"});
  RunDetached("liar", "echo ready; sleep 600", flags);
  const std::string gateway = vx().VxctlJson({"network", "inspect", "default"})["spec"]["gateway"];
  const std::string ping = absl::StrCat("ping -c 1 -W 2 ", gateway, " >/dev/null && echo heard");
  EXPECT_EQ(Inside("liar", ping), "heard");
  EXPECT_EQ(Inside("liar", absl::StrCat("ip addr flush dev eth0; ip addr add ", AddressOf("web"),
                                        "/24 dev eth0; ", ping)),
            "");
  EXPECT_EQ(Inside("liar", absl::StrCat("ip addr flush dev eth0; ip addr add ", AddressOf("liar"),
                                        "/24 dev eth0; ", ping)),
            "heard");
  EXPECT_EQ(Inside("liar", absl::StrCat("ip link set eth0 down; ip link set eth0 address "
                                        "52:54:00:00:00:99; ip link set eth0 up; ", ping)),
            "");
  EXPECT_EQ(Get("web", "127.0.0.1"), "web");
}

TEST_P(LiveNetworksTest, ABridgeOfTheHostsIsUsedAsItIs) {
  ASSERT_THAT(RunProgram({"ip", "link", "add", "br-own", "type", "bridge"}), Succeeds());
  ASSERT_THAT(RunProgram({"ip", "addr", "add", "198.51.100.1/24", "dev", "br-own"}), Succeeds());
  ASSERT_THAT(RunProgram({"ip", "link", "set", "br-own", "up"}), Succeeds());
  EXPECT_THAT(Vxctl({"network", "create", "none-such", "--host-bridge", "br-nowhere"}),
              FailsSaying(1, {"br-nowhere"}));
  EXPECT_THAT(Vxctl({"network", "create", "mix", "--host-bridge", "br-own", "--internal"}),
              FailsSaying(1, {"--internal"}));
  ASSERT_THAT(Vxctl({"network", "create", "own", "--host-bridge", "br-own"}), Succeeds());
  EXPECT_THAT(Vxctl({"run", "-d", kind_flag(), "--rm", "--network", "own", "-p", "8999:80", "busybox",
                     "--", "true"}),
              FailsSaying(1, {"own", "NO_ADDRESS"}));
  Words flags = {"--network", "own"};
  if (!vm()) flags.insert(flags.end(), {"--cap-add", "NET_ADMIN"});
  RunDetached("guest", "echo ready; sleep 600", flags);
  EXPECT_EQ(AddressOf("guest"), "");
  EXPECT_EQ(Inside("guest", "ip addr add 198.51.100.9/24 dev eth0; "
                            "ping -c 1 -W 5 198.51.100.1 >/dev/null && echo yes"),
            "yes");
  ASSERT_EQ(vx().RemoveWorkloads(), "");
  ASSERT_THAT(Vxctl({"network", "rm", "own"}), Succeeds());
  EXPECT_THAT(RunProgram({"ip", "link", "del", "br-own"}), Succeeds()) << "it is there still";
}

TEST_P(LiveNetworksTest, TheHostsOwnNetworkIsForContainers) {
  const Words run = {"run",  "-d", kind_flag(), "--name", "near", "--network", "host", "busybox",
                     "--",   "sh", "-c", "echo ready; exec nc -ll -p 7777 -e echo near"};
  if (vm()) {
    EXPECT_THAT(Vxctl(run), FailsSaying(1, {"--network", "bridge"}));
    return;
  }
  ASSERT_THAT(Vxctl(run), Succeeds());
  ASSERT_TRUE(vx().WaitForLog("near", "ready"));
  EXPECT_EQ(FromHostSoon("127.0.0.1", 7777), "near");
  EXPECT_THAT(Inside("near", "ls /sys/class/net"), HasSubstr("lo"));
  EXPECT_THAT(Vxctl({"run", kind_flag(), "--network", "host", "-p", "80:80", "busybox", "--", "true"}),
              FailsSaying(1, {"--publish"}));
}

class DefaultNetworkTest : public OwnDaemonTest {};

TEST_F(DefaultNetworkTest, AWorkloadIsOnItUnlessItSaysOtherwise) {
  vx_.Start({.args = {"--set", "network.default=default"}});
  for (const char* kind : {"container", "vm"}) {
    ASSERT_THAT(vx_.Vxctl({"run", "-d", absl::StrCat("--kind=", kind), "--name", kind, "busybox", "--",
                           "sleep", "600"}),
                Succeeds());
    EXPECT_EQ(vx_.Inspect(kind)["spec"]["networks"], Json::array({"default"}));
  }
  EXPECT_THAT(vx_.Vxctl({"exec", "container", "--", "ping", "-c", "1", "-W", "5", "vm"}), Succeeds());
  EXPECT_THAT(vx_.Vxctl({"exec", "vm", "--", "ping", "-c", "1", "-W", "5", "container"}), Succeeds());
  ASSERT_THAT(vx_.Vxctl({"run", "-d", "--kind=container", "--name", "alone", "--network", "none",
                         "busybox", "--", "sleep", "600"}),
              Succeeds());
  EXPECT_EQ(vx_.Inspect("alone")["status"]["addresses"], Json::array());
  // Docker's way of dropping what is forwarded.
  ASSERT_THAT(RunProgram({"nft", "add table ip filter; add chain ip filter FORWARD { type filter "
                                 "hook forward priority 0; policy drop; }; add chain ip filter "
                                 "DOCKER-USER"}),
              Succeeds());
  const Result doctor = vx_.Vxctl({"doctor"});
  EXPECT_THAT(doctor.out, HasSubstr("ip filter FORWARD"));
  EXPECT_THAT(doctor.out, HasSubstr("iptables -I DOCKER-USER"));
  ASSERT_THAT(RunProgram({"nft", "delete table ip filter"}), Succeeds());
  EXPECT_EQ(vx_.RemoveWorkloads(), "");
  EXPECT_EQ(vx_.RemoveNetworks(), "");
}

}  // namespace
}  // namespace vx::system_test
