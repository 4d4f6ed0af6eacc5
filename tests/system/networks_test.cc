// Networks, with real traffic: all of it in the test's own network namespace.
#include <set>

#include "absl/strings/match.h"
#include "tests/system/networks_fixture.h"

namespace vx::system_test {
namespace {

VX_EACH_KIND(NetworksTest);

TEST_P(NetworksTest, NamesLeadToOneAnotherInBothFamilies) {
  Serve("web", {"--network", "default", "--network-alias", "www"});
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  for (const char* name : {"web", "web.vx", "www"}) {
    EXPECT_EQ(Get("client", name), "web") << name;
  }
  EXPECT_EQ(Get("client", AddressOf("web")), "web");
  EXPECT_EQ(Get("client", AddressOf("web", 1)), "web");
  EXPECT_EQ(Inside("client", "ping -c 1 -W 2 web >/dev/null && echo yes"), "yes");
  EXPECT_THAT(Inside("client", absl::StrCat("nslookup ", AddressOf("web"))),
              testing::HasSubstr("web"));
  EXPECT_THAT(Vxctl({"rm", "-f", "web"}), Succeeds());
  EXPECT_EQ(Inside("client", "nslookup web >/dev/null || echo gone"), "gone");
}

TEST_P(NetworksTest, TheOtherKindIsFoundByNameToo) {
  const std::string other = vm() ? "--kind=container" : "--kind=vm";
  ASSERT_THAT(Vxctl({"run", "-d", other, "--name", "db", "--network", "default", "busybox", "--",
                     "sh", "-c", Serving("db")}),
              Succeeds());
  ASSERT_TRUE(vx().WaitForLog("db", "ready"));
  Serve("web", {"--network", "default"});
  EXPECT_EQ(Get("web", "db"), "db");
  EXPECT_EQ(Get("db", "web"), "web");
  EXPECT_EQ(Get("web", AddressOf("db", 1)), "db");
}

TEST_P(NetworksTest, AHostNameIsItsOwnAddress) {
  RunDetached("self", "echo ready; sleep 600", {"--network", "default"});
  EXPECT_EQ(Inside("self", "ping -c 1 -W 2 $(hostname) >/dev/null && echo yes"), "yes");
  EXPECT_EQ(Inside("self", "ping -c 1 -W 2 localhost >/dev/null && echo yes"), "yes");
}

TEST_P(NetworksTest, PublishedPortsAreReachedFromTheHost) {
  Serve("web", {"--network", "default", "-p", "8080:80", "-p", "127.0.0.1:8081:80"});
  const std::string gateway = vx().VxctlJson({"network", "inspect", "default"})["spec"]["gateway"];
  EXPECT_EQ(FromHostSoon("127.0.0.1", 8080), "web");
  EXPECT_EQ(FromHost(gateway, 8080), "web");
  EXPECT_EQ(FromHost("127.0.0.1", 8081), "web");
  EXPECT_EQ(FromHost(gateway, 8081), "");
  // Another workload, and itself.
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  EXPECT_EQ(Get("client", gateway, 8080), "web");
  EXPECT_EQ(Get("web", gateway, 8080), "web");
  EXPECT_THAT(Vxctl({"stop", "-t", "0s", "web"}), Succeeds());
  EXPECT_EQ(FromHost("127.0.0.1", 8080), "");
}

TEST_P(NetworksTest, APortIsPublishedOnce) {
  Serve("web", {"--network", "default", "-p", "8080:80"});
  const Words second = {"run",       "-d", kind_flag(),    "--name", "late", "--network",
                        "default",   "-p", "8000-8100:80-180", "busybox", "--", "sleep", "600"};
  EXPECT_THAT(Vxctl(second), FailsSaying(1, {"8080", "web", "PORT_TAKEN"}));
  EXPECT_EQ(FromHost("127.0.0.1", 8080), "web");
  ASSERT_THAT(Vxctl({"stop", "-t", "0s", "web"}), Succeeds());
  EXPECT_THAT(Vxctl({"start", "late"}), Succeeds());
  Child listener({"busybox", "nc", "-ll", "-p", "9999", "-e", "true"});
  const Words connect = {"timeout", "10", "bash", "-c",
                         "while ! exec 3<>/dev/tcp/127.0.0.1/9999; do :; done"};
  EXPECT_THAT(RunProgram(connect), Succeeds());
  EXPECT_THAT(Vxctl({"run", "-d", kind_flag(), "--network", "default", "-p", "9999:80", "busybox",
                     "--", "true"}),
              FailsSaying(1, {"9999", "PORT_TAKEN"}));
  EXPECT_THAT(RunProgram(connect), Succeeds()) << "the program's port is its own";
}

TEST_P(NetworksTest, NetworksAreApart) {
  ASSERT_THAT(Vxctl({"network", "create", "lab", "--subnet", "10.20.0.0/24"}), Succeeds());
  Serve("web", {"--network", "default"});
  RunDetached("far", "echo ready; sleep 600", {"--network", "lab"});
  EXPECT_TRUE(absl::StartsWith(AddressOf("far"), "10.20.0.")) << AddressOf("far");
  EXPECT_EQ(Get("far", AddressOf("web")), "");
  EXPECT_EQ(Inside("far", "nslookup web >/dev/null || echo unknown"), "unknown");
  RunDetached("both", "echo ready; sleep 600", {"--network", "default", "--network", "lab"});
  EXPECT_EQ(Get("both", "web"), "web");
  EXPECT_EQ(Inside("both", absl::StrCat("ping -c 1 -W 2 ", AddressOf("far"), ">/dev/null && echo yes")),
            "yes");
}

TEST_P(NetworksTest, WorkloadsDoNotReachTheHostsOwnListeners) {
  Serve("web", {"--network", "default"});
  // A listener of the host's, on all addresses.
  Child listener({"busybox", "nc", "-ll", "-p", "9999", "-e", "echo", "host"});
  const std::string gateway = vx().VxctlJson({"network", "inspect", "default"})["spec"]["gateway"];
  const Result own = RunProgram(
      {"timeout", "10", "bash", "-c",
       absl::StrCat("while ! exec 3<>/dev/tcp/", gateway, "/9999; do :; done; cat <&3")});
  EXPECT_EQ(own.out, "host\n");
  EXPECT_EQ(Inside("web", absl::StrCat("nc -w 2 ", gateway, " 9999 </dev/null")), "");
}

TEST_P(NetworksTest, AddressesStay) {
  Serve("web", {"--network", "default", "-p", "8080:80"});
  const std::string before = AddressOf("web");
  ASSERT_THAT(Vxctl({"restart", "-t", "0s", "web"}), Succeeds());
  EXPECT_EQ(AddressOf("web"), before);
  EXPECT_EQ(FromHostSoon("127.0.0.1", 8080), "web");
  vx().Kill();
  EXPECT_EQ(FromHost("127.0.0.1", 8080), "web") << "while vxd is dead";
  vx().Start();
  EXPECT_EQ(AddressOf("web"), before);
  EXPECT_EQ(FromHost("127.0.0.1", 8080), "web");
  RunDetached("client", "echo ready; sleep 600", {"--network", "default"});
  EXPECT_EQ(Get("client", "web"), "web");
  ASSERT_THAT(Vxctl({"stop", "-t", "0s", "web"}), Succeeds());
  ASSERT_THAT(Vxctl({"start", "web"}), Succeeds());
  EXPECT_EQ(AddressOf("web"), before);
}

TEST_P(NetworksTest, ManyHaveAddressesOfTheirOwn) {
  const size_t count = vm() ? 4 : 100;
  std::vector<std::unique_ptr<Child>> children;
  for (size_t i = 0; i < count; ++i) {
    children.push_back(vx().VxctlInBackground({"run", "-d", kind_flag(), "--network", "default",
                                               "busybox", "--", "sleep", "600"}));
  }
  for (auto& child : children) EXPECT_THAT(child->Wait(), Succeeds());
  std::set<std::string> addresses;
  const Json network = vx().VxctlJson({"network", "inspect", "default"});
  for (const Json& member : network["status"]["members"]) addresses.insert(member["addresses"][0]);
  EXPECT_EQ(addresses.size(), count);
}

TEST_P(NetworksTest, TheHostIsAsItWas) {
  ASSERT_THAT(RunProgram({"nft", "add", "table", "inet", "others"}), Succeeds());
  const std::string before = HostState();
  Serve("web", {"--network", "default", "-p", "8080:80"});
  EXPECT_NE(HostState(), before);
  ASSERT_EQ(vx().RemoveWorkloads(), "");
  ASSERT_EQ(vx().RemoveNetworks(), "");
  EXPECT_EQ(HostState(), before);
  ASSERT_THAT(RunProgram({"nft", "delete", "table", "inet", "others"}), Succeeds());
}

TEST_P(NetworksTest, BadInputIsRefusedAndLeavesNothing) {
  const Words run = {"run", "-d", kind_flag(), "--name", "bad"};
  const Words end = {"busybox", "--", "sleep", "600"};
  auto with = [&](const Words& flags) {
    Words words = run;
    words.insert(words.end(), flags.begin(), flags.end());
    words.insert(words.end(), end.begin(), end.end());
    return Vxctl(words);
  };
  EXPECT_THAT(with({"--network", "nowhere"}), FailsSaying(1, {"nowhere", "network create"}));
  EXPECT_THAT(with({"-p", "80:80"}), FailsSaying(1, {"--publish", "--network"}));
  EXPECT_THAT(with({"--network", "default", "-p", "0:80"}), FailsSaying(2, {"0:80"}));
  EXPECT_THAT(with({"--network", "default", "-p", "70000:80"}), FailsSaying(2, {"70000"}));
  EXPECT_THAT(with({"--network", "default", "-p", "80:80", "-p", "80:81"}),
              FailsSaying(1, {"80", "twice"}));
  EXPECT_THAT(with({"--network", "default", "--ip", "192.0.2.1"}), FailsSaying(1, {"192.0.2.1"}));
  EXPECT_THAT(with({"--network", "default", "--mac", "01:00:00:00:00:01"}),
              FailsSaying(1, {"--mac"}));
  EXPECT_THAT(Vxctl({"network", "create", "none"}), FailsSaying(1, {"none"}));
  EXPECT_THAT(Vxctl({"network", "create", "lab", "--subnet", "10.0.0.0"}),
              FailsSaying(1, {"--subnet", "10.0.0.0"}));
  EXPECT_THAT(Vxctl({"network", "create", "lab", "--mtu", "100"}), FailsSaying(1, {"--mtu"}));
  ASSERT_THAT(Vxctl({"network", "create", "lab", "--subnet", "10.20.0.0/29"}), Succeeds());
  EXPECT_THAT(Vxctl({"network", "create", "lab"}), FailsSaying(1, {"lab", "already"}));
  EXPECT_THAT(Vxctl({"network", "create", "two", "--subnet", "10.20.0.0/16"}),
              FailsSaying(1, {"10.20.0.0/16", "10.20.0.0/29"}));
  EXPECT_THAT(with({"--network", "lab", "--ip", "10.20.0.3"}), Succeeds());
  EXPECT_EQ(AddressOf("bad"), "10.20.0.3");
  EXPECT_THAT(Vxctl({"run", "-d", kind_flag(), "--network", "lab", "--ip", "10.20.0.3", "busybox",
                     "--", "true"}),
              FailsSaying(1, {"10.20.0.3"}));
  EXPECT_THAT(Vxctl({"network", "rm", "lab"}), FailsSaying(1, {"lab", "bad"}));
  // 10.20.0.2 to .6 without .3.
  for (int i = 0; i < 4; ++i) {
    EXPECT_THAT(Vxctl({"create", kind_flag(), "--network", "lab", "busybox"}), Succeeds());
  }
  EXPECT_THAT(Vxctl({"create", kind_flag(), "--network", "lab", "busybox"}),
              FailsSaying(1, {"10.20.0.0/29"}));
}

}  // namespace
}  // namespace vx::system_test
