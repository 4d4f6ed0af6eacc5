// A VM's ends of its networks: taps on the host, links inside.
#include <net/if.h>
#include <signal.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"
#include "tests/contract/contract_test.h"

namespace vx::contract {
namespace {

using ::testing::HasSubstr;

// Says all that it sees of its networks, whether it reaches the host's side, "ready";
// then sleeps.
constexpr char kLook[] =
    "ip address; ip route; ip -6 route; cat /etc/resolv.conf /etc/hosts\n"
    "ping -c 1 -W 20 10.99.0.1 >/dev/null && echo out by v4\n"
    "ping -6 -c 1 -W 20 fd00:99::1 >/dev/null && echo out by v6\n"
    "echo ready; exec sleep 100000";

bool LinkExists(const std::string& name) { return if_nametoindex(name.c_str()) != 0; }

class VmNetwork : public ContractTest {
 protected:
  void SetUp() override {
    if (!Subject::Get().vm()) GTEST_SKIP() << "a VM's alone";
    for (int i = 0; i < 2; ++i) {
      const std::string bridge = Bridge(i);
      Host({"ip", "link", "add", bridge, "type", "bridge"});
      const std::string v4 = absl::StrCat("10.", 99 + i, ".0.1/24");
      const std::string v6 = absl::StrCat("fd00:", 99 + i, "::1/64");
      Host({"ip", "address", "add", v4, "dev", bridge});
      Host({"ip", "address", "add", v6, "dev", bridge, "nodad"});
      Host({"ip", "link", "set", bridge, "up"});
    }
  }

  void TearDown() override {
    ContractTest::TearDown();
    for (int i = 0; i < 2; ++i) {
      if (LinkExists(Bridge(i))) Host({"ip", "link", "delete", Bridge(i)});
    }
  }

  static std::string Bridge(int i) { return absl::StrCat("vxcontract", i); }

  static void Host(const std::vector<std::string>& command) {
    VX_EXPECT_OK(RunCommandOk(command).status());
  }

  // On two networks, the first of which has its way out.
  v1::Workload Networked() {
    v1::Workload workload = NewWorkload(Behaviour::kForever);
    workload.mutable_spec()->clear_command();
    for (const char* word : {"sh", "-c", kLook}) workload.mutable_spec()->add_command(word);
    for (int i = 0; i < 2; ++i) Join(i, workload);
    v1::NetworkAttachment& first = *workload.mutable_status()->mutable_networks(0);
    first.add_gateways("10.99.0.1");
    first.add_gateways("fd00:99::1");
    first.add_name_servers("10.99.0.1");
    return workload;
  }

  static void Join(int i, v1::Workload& workload) {
    v1::NetworkAttachment& network = *workload.mutable_status()->add_networks();
    network.set_network(absl::StrCat("n", i));
    network.set_mac(absl::StrCat("52:54:00:99:00:0", 2 + i));
    network.add_addresses(absl::StrCat("10.", 99 + i, ".0.2/24"));
    network.add_addresses(absl::StrCat("fd00:", 99 + i, "::2/64"));
    network.set_host_link(absl::StrCat("vxt", workload.uid().substr(0, 8), i));
    network.set_guest_link(absl::StrCat("eth", i));
    network.set_mtu(1400 + i);
    workload.mutable_status()->add_addresses(absl::StrCat("10.", 99 + i, ".0.2"));
  }

  // Create, the part of core, and Start.
  void LaunchNetworked(const v1::Workload& workload) {
    Prepare(workload);
    observations().Forget(workload.uid());
    auto endpoint = driver().Create(workload);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->tap, workload.status().networks(0).host_link());
    for (int i = 0; i < 2; ++i) {
      const std::string& tap = workload.status().networks(i).host_link();
      Host({"ip", "link", "set", tap, "master", Bridge(i), "up"});
    }
    Start(workload);
    WaitForOutput(workload.uid(), "ready");
  }

  static void ExpectNoTap(const v1::Workload& workload) {
    for (const v1::NetworkAttachment& network : workload.status().networks()) {
      EXPECT_FALSE(LinkExists(network.host_link())) << network.host_link();
    }
  }
};

TEST_F(VmNetwork, TheHostReachesAGuestOnEachOfItsNetworksAndTheGuestTheHost) {
  const v1::Workload workload = Networked();
  LaunchNetworked(workload);
  for (const char* address : {"10.99.0.2", "fd00:99::2", "10.100.0.2", "fd00:100::2"}) {
    Host({"busybox", "ping", "-c", "1", "-W", "20", address});
  }
  const std::string seen = OutputOf(workload.uid()).out;
  EXPECT_THAT(seen, HasSubstr("out by v4"));
  EXPECT_THAT(seen, HasSubstr("out by v6"));
  EXPECT_THAT(seen, HasSubstr("BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1400"));
  EXPECT_THAT(seen, HasSubstr("BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1401"));
  EXPECT_THAT(seen, HasSubstr("52:54:00:99:00:03"));
  EXPECT_THAT(seen, HasSubstr("default via 10.99.0.1 dev eth0"));
  EXPECT_THAT(seen, HasSubstr("default via fd00:99::1 dev eth0"));
}

TEST_F(VmNetwork, AGuestsFilesOfNamesAreOursThoughItsRootIsSealed) {
  v1::Workload workload = Networked();
  workload.mutable_spec()->set_read_only(true);
  workload.mutable_spec()->set_hostname("web");
  LaunchNetworked(workload);
  const std::string seen = OutputOf(workload.uid()).out;
  EXPECT_THAT(seen, HasSubstr("search vx\nnameserver 10.99.0.1\n"));
  EXPECT_THAT(seen, HasSubstr("10.99.0.2\tweb\n10.100.0.2\tweb\n"));
}

TEST_F(VmNetwork, TapsGoWithTheRun) {
  const v1::Workload workload = Networked();
  LaunchNetworked(workload);
  VX_ASSERT_OK(driver().Stop(workload.uid(), absl::Seconds(1)));
  VX_ASSERT_OK(driver().Delete(workload.uid()));
  ExpectNoTap(workload);
}

TEST_F(VmNetwork, TapsOfAQemuThatWasKilledAreGoneAndItCanBeStartedAgain) {
  const v1::Workload workload = Networked();
  LaunchNetworked(workload);
  ASSERT_EQ(kill(static_cast<pid_t>(driver().Observe(workload.uid())->pid), SIGKILL), 0);
  WaitForEnd(workload.uid());
  VX_ASSERT_OK(driver().Delete(workload.uid()));
  ExpectNoTap(workload);
  ASSERT_TRUE(driver().Create(workload).ok());
}

TEST_F(VmNetwork, AnotherLinkOfTheTapsNameIsNamedAndKept) {
  const v1::Workload workload = Networked();
  const std::string& taken = workload.status().networks(1).host_link();
  Host({"ip", "link", "add", taken, "type", "bridge"});
  Prepare(workload);
  auto endpoint = driver().Create(workload);
  EXPECT_THAT(std::string(endpoint.status().message()), HasSubstr(taken));
  EXPECT_FALSE(LinkExists(workload.status().networks(0).host_link()));
  EXPECT_TRUE(LinkExists(taken));
  Host({"ip", "link", "delete", taken});
}

TEST_F(VmNetwork, ACardIsPluggedInAndOutWhileItRuns) {
  const v1::Workload workload = Networked();
  LaunchNetworked(workload);
  v1::Workload more = workload;
  Join(2, more);
  v1::NetworkAttachment third = more.status().networks(2);
  third.clear_addresses();
  third.add_addresses("10.100.0.9/24");
  auto endpoint = driver().Plug(workload.uid(), third);
  ASSERT_TRUE(endpoint.ok()) << endpoint.status();
  EXPECT_EQ(endpoint->tap, third.host_link());
  Host({"ip", "link", "set", third.host_link(), "master", Bridge(1), "up"});
  VX_ASSERT_OK(driver().Configure(workload.uid(), third));
  VX_EXPECT_OK(driver().Configure(workload.uid(), third));  // again
  Host({"busybox", "ping", "-c", "1", "-W", "20", "10.100.0.9"});
  VX_ASSERT_OK(driver().Unplug(workload.uid(), third));
  EXPECT_FALSE(LinkExists(third.host_link()));
  VX_EXPECT_OK(driver().Unplug(workload.uid(), third));  // again
  // One of those that it booted with is taken down, and stays for so long.
  VX_ASSERT_OK(driver().Unplug(workload.uid(), workload.status().networks(1)));
  EXPECT_FALSE(RunCommand({"busybox", "ping", "-c", "1", "-W", "1", "10.100.0.2"})->exit_code == 0);
  EXPECT_EQ(ErrorReason(driver().Plug(workload.uid(), workload.status().networks(1)).status()),
            "STOP_FIRST");
}

}  // namespace
}  // namespace vx::contract
