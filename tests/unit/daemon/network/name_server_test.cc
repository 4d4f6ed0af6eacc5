// A real dnsmasq on a real bridge, in a network namespace of each test's own.
#include "daemon/network/name_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "daemon/network/dnsmasq.h"
#include "tests/unit/daemon/base/temp_dir.h"
#include "tests/unit/daemon/network/dns_client.h"

namespace vx::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kGateway[] = "10.117.9.1", kGateway6[] = "fd00:117:9::1";
constexpr char kMac[] = "02:00:00:00:00:05", kOtherMac[] = "02:00:00:00:00:06";
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kNoError = 0, kNoSuchName = 3;

#define ASSERT_FINE(expression)                            \
  do {                                                     \
    const absl::Status fine = (expression);                \
    ASSERT_TRUE(fine.ok()) << #expression << ": " << fine; \
  } while (false)

void Ip(const std::string& command) {
  std::vector<std::string> argv = absl::StrSplit("ip " + command, ' ');
  auto done = RunCommandOk(argv);
  ASSERT_TRUE(done.ok()) << command << ": " << done.status();
}

Prefix MakePrefix(const std::string& address, int length) {
  return {*ParseAddress(address), length};
}

NameServerHost Host(const std::string& uid, std::vector<std::string> names,
                    const std::vector<std::string>& addresses, const std::string& mac = "") {
  NameServerHost host{.uid = uid, .names = std::move(names), .addresses = {}, .mac = mac};
  for (const std::string& address : addresses) host.addresses.push_back(*ParseAddress(address));
  return host;
}

class NameServerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
    if (!FindDnsmasq().ok()) GTEST_SKIP() << "dnsmasq (package dnsmasq-base) is not installed";
    if (FindProgram("ip").empty()) GTEST_SKIP() << "ip (package iproute2) is not installed";
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    Ip("link set lo up");
    MakeBridge("vxtest0", kGateway, kGateway6);
    server_ = Make();
  }

  void TearDown() override {
    EXPECT_TRUE(EndDnsmasq(DnsmasqPaths(config_.dir)).ok());
    EXPECT_TRUE(EndDnsmasq(DnsmasqPaths(dir_ / "upstream")).ok());
  }

  static void MakeBridge(const std::string& name, const std::string& v4, const std::string& v6) {
    Ip(absl::StrCat("link add ", name, " type bridge"));
    Ip(absl::StrCat("addr add ", v4, "/24 dev ", name));
    Ip(absl::StrCat("addr add ", v6, "/64 dev ", name, " nodad"));
    Ip(absl::StrCat("link set ", name, " up"));
  }

  std::unique_ptr<NameServer> Make() { return std::make_unique<NameServer>(config_); }

  pid_t Pid() {
    auto text = ReadFile(DnsmasqPaths(config_.dir).pid);
    pid_t pid = 0;
    EXPECT_TRUE(text.ok() && absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &pid));
    return pid;
  }

  // Ends it as a crash would.
  void KillServer() {
    auto running = FindServer(DnsmasqPaths(config_.dir));
    ASSERT_TRUE(running.has_value());
    ASSERT_FINE(SignalPidfd(running->pidfd.get(), SIGKILL));
    ASSERT_TRUE(WaitPidfd(running->pidfd.get(), kPatience));
  }

  // A server elsewhere, which knows one name.
  void StartUpstream() {
    ASSERT_FINE(MakeDirs(dir_ / "upstream", 0755));
    ASSERT_FINE(StartDnsmasq({*FindDnsmasq(), DnsmasqMark(DnsmasqPaths(dir_ / "upstream")),
                              "--conf-file=", "--no-hosts", "--no-resolv", "--bind-interfaces",
                              "--listen-address=127.0.0.2",
                              "--host-record=far.example,192.0.2.7"}));
  }

  // What busybox's DHCP client was told on the far end of a port of the bridge.
  std::string Dhcp(const std::string& mac, const std::string& tries = "5") {
    Ip(absl::StrCat("link set vxguest address ", mac, " up"));
    auto told = RunCommand({"busybox", "udhcpc", "-i", "vxguest", "-n", "-q", "-f", "-t", tries,
                            "-T", "1", "-s", dir_ / "told", "-x", "hostname:impostor"});
    return told.ok() ? told->out : std::string(told.status().message());
  }

  void PlugGuest() {
    if (FindProgram("busybox").empty()) GTEST_SKIP() << "busybox is not installed";
    const std::string script =
        "#!/bin/sh\necho \"$1 $ip router=$router dns=$dns domain=$domain host=$hostname\"\n";
    ASSERT_FINE(WriteFileAtomic(dir_ / "told", script, 0755));
    Ip("link add vxport type veth peer name vxguest");
    Ip("link set vxport master vxtest0 up");
  }

  static std::vector<std::string> Addresses(const std::string& name, const std::string& type) {
    return Ask(kGateway, name, type).data;
  }

  // Private, as a state folder is.
  TempDir dir_;
  NameServerConfig config_{.network = "default",
                           .dir = dir_ / "dns/default",
                           .bridge = "vxtest0",
                           .gateways = {MakePrefix(kGateway, 24), MakePrefix(kGateway6, 64)},
                           .upstream = {"127.0.0.2"}};
  std::unique_ptr<NameServer> server_;
};

TEST_F(NameServerTest, AnswersNamesAndAliasesInBothFamilies) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(
      Host("a1", {"web", "web.vx", "www", "www.vx"}, {"10.117.9.5", "fd00:117:9::5"})));
  for (const char* name : {"web", "web.vx", "www", "www.vx", "WEB.VX"}) {
    EXPECT_THAT(Addresses(name, "A"), ElementsAre("10.117.9.5")) << name;
    EXPECT_THAT(Addresses(name, "AAAA"), ElementsAre("fd00:117:9::5")) << name;
  }
  EXPECT_THAT(Ask(kGateway6, "web", "A").data, ElementsAre("10.117.9.5")) << "over IPv6";
}

TEST_F(NameServerTest, AnswersPtrWithTheFirstName) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web.vx", "web"}, {"10.117.9.5", "fd00:117:9::5"})));
  EXPECT_THAT(Addresses(Reverse("10.117.9.5"), "PTR"), ElementsAre("web.vx"));
  EXPECT_THAT(Addresses(Reverse("fd00:117:9::5"), "PTR"), ElementsAre("web.vx"));
  EXPECT_EQ(Ask(kGateway, Reverse("10.117.9.6"), "PTR").rcode, kNoSuchName);
}

TEST_F(NameServerTest, ANameWithoutAnAddressOfTheFamilyIsEmptyAndNotUnknown) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web", "web.vx"}, {"10.117.9.5"})));
  for (const char* name : {"web", "web.vx"}) {
    const Answer answer = Ask(kGateway, name, "AAAA");
    EXPECT_EQ(answer.rcode, kNoError) << name;
    EXPECT_THAT(answer.data, IsEmpty()) << name;
  }
  EXPECT_EQ(Ask(kGateway, "nobody", "A").rcode, kNoSuchName);
  EXPECT_EQ(Ask(kGateway, "nobody.vx", "A").rcode, kNoSuchName);
}

TEST_F(NameServerTest, ForgetsAtOnceWhatIsRemovedOrRenamed) {
  ASSERT_FINE(server_->Ensure());
  for (int round = 0; round < 50; ++round) {
    ASSERT_FINE(server_->SetHost(Host("a1", {"web"}, {"10.117.9.5"}, kMac)));
    ASSERT_THAT(Addresses("web", "A"), ElementsAre("10.117.9.5")) << round;
    ASSERT_FINE(server_->SetHost(Host("a1", {"api"}, {"10.117.9.6"}, kMac)));
    ASSERT_THAT(Addresses("api", "A"), ElementsAre("10.117.9.6")) << round;
    ASSERT_EQ(Ask(kGateway, "web", "A").rcode, kNoSuchName) << round;
    ASSERT_FINE(server_->RemoveHost("a1"));
    ASSERT_EQ(Ask(kGateway, "api", "A").rcode, kNoSuchName) << round;
    ASSERT_EQ(Ask(kGateway, Reverse("10.117.9.6"), "PTR").rcode, kNoSuchName) << round;
  }
  ASSERT_FINE(server_->RemoveHost("a1"));
}

TEST_F(NameServerTest, TwoHostsOfOneNameAreBothAnswered) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"db"}, {"10.117.9.5"})));
  ASSERT_FINE(server_->SetHost(Host("a2", {"db"}, {"10.117.9.6"})));
  EXPECT_THAT(Addresses("db", "A"), testing::UnorderedElementsAre("10.117.9.5", "10.117.9.6"));
  ASSERT_FINE(server_->RemoveHost("a1"));
  EXPECT_THAT(Addresses("db", "A"), ElementsAre("10.117.9.6"));
}

TEST_F(NameServerTest, ForwardsWhatIsElsewhere) {
  StartUpstream();
  ASSERT_FINE(server_->Ensure());
  EXPECT_THAT(Addresses("far.example", "A"), ElementsAre("192.0.2.7"));
}

TEST_F(NameServerTest, AnInternalNetworkForwardsNothing) {
  StartUpstream();
  config_.internal = true;
  server_ = Make();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web", "web.vx"}, {"10.117.9.5"})));
  EXPECT_EQ(Ask(kGateway, "far.example", "A").rcode, kNoSuchName);
  EXPECT_THAT(Addresses("web", "A"), ElementsAre("10.117.9.5"));
  EXPECT_EQ(Ask(kGateway, "web", "AAAA").rcode, kNoError);
}

TEST_F(NameServerTest, AnswersWhileNobodyHoldsItAndIsFoundAgain) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web"}, {"10.117.9.5"})));
  const pid_t pid = Pid();
  server_.reset();
  EXPECT_THAT(Addresses("web", "A"), ElementsAre("10.117.9.5"));
  server_ = Make();
  ASSERT_FINE(server_->Ensure());
  EXPECT_EQ(Pid(), pid);
  EXPECT_THAT(*server_->Hosts(), ElementsAre("a1"));
  ASSERT_FINE(server_->RemoveHost("a1"));
  EXPECT_EQ(Ask(kGateway, "web", "A").rcode, kNoSuchName);
}

TEST_F(NameServerTest, IsStartedAgainWhenItDiedAndKnowsWhatItKnew) {
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web"}, {"10.117.9.5"})));
  KillServer();
  ASSERT_FINE(server_->SetHost(Host("a2", {"db"}, {"10.117.9.6"})));
  ASSERT_FINE(server_->Ensure());
  EXPECT_THAT(Addresses("web", "A"), ElementsAre("10.117.9.5"));
  EXPECT_THAT(Addresses("db", "A"), ElementsAre("10.117.9.6"));
}

TEST_F(NameServerTest, IsStartedAgainWhenItsConfigChanged) {
  StartUpstream();
  ASSERT_FINE(server_->Ensure());
  auto before = FindServer(DnsmasqPaths(config_.dir));
  ASSERT_TRUE(before.has_value());
  EXPECT_THAT(Addresses("far.example", "A"), ElementsAre("192.0.2.7"));
  config_.internal = true;
  server_ = Make();
  ASSERT_FINE(server_->Ensure());
  EXPECT_TRUE(WaitPidfd(before->pidfd.get(), absl::ZeroDuration())) << "the old one stays";
  EXPECT_EQ(Ask(kGateway, "far.example", "A").rcode, kNoSuchName);
}

TEST_F(NameServerTest, OneWhosePidIsNotRecordedIsReplacedAndNotJoined) {
  ASSERT_FINE(server_->Ensure());
  auto before = FindServer(DnsmasqPaths(config_.dir));
  ASSERT_TRUE(before.has_value());
  ASSERT_EQ(unlink(DnsmasqPaths(config_.dir).pid.c_str()), 0);
  ASSERT_FINE(server_->Ensure());
  EXPECT_TRUE(WaitPidfd(before->pidfd.get(), absl::ZeroDuration())) << "there are two";
}

TEST_F(NameServerTest, APidThatIsSomebodyElsesIsLeftAlone) {
  ASSERT_FINE(MakeDirs(config_.dir, 0755));
  auto other = Spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(other.ok());
  auto pidfd = *OpenPidfd(*other);
  ASSERT_FINE(WriteFileAtomic(DnsmasqPaths(config_.dir).pid, absl::StrCat(*other, "\n"), 0644));
  EXPECT_FALSE(FindServer(DnsmasqPaths(config_.dir)).has_value());
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->Stop());
  EXPECT_FALSE(WaitPidfd(pidfd.get(), absl::ZeroDuration()));
  ASSERT_FINE(SignalPidfd(pidfd.get(), SIGKILL));
  ASSERT_TRUE(WaitPidfd(pidfd.get(), kPatience));
  ReapPidfd(pidfd.get());
}

TEST_F(NameServerTest, StopEndsItAndLeavesNothing) {
  ASSERT_FINE(server_->Ensure());
  auto running = FindServer(DnsmasqPaths(config_.dir));
  ASSERT_TRUE(running.has_value());
  ASSERT_FINE(server_->Stop());
  EXPECT_TRUE(WaitPidfd(running->pidfd.get(), absl::ZeroDuration()));
  EXPECT_FALSE(PathExists(config_.dir));
  ASSERT_FINE(server_->Stop());
}

TEST_F(NameServerTest, DoesNotRunAsRoot) {
  ASSERT_FINE(server_->Ensure());
  struct stat st;
  ASSERT_EQ(stat(absl::StrCat("/proc/", Pid()).c_str(), &st), 0);
  EXPECT_NE(st.st_uid, 0u);
}

TEST_F(NameServerTest, EachNetworkHasAViewOfItsOwn) {
  MakeBridge("vxtest1", "10.117.10.1", "fd00:117:10::1");
  NameServer other({.network = "other",
                    .dir = dir_ / "dns/other",
                    .bridge = "vxtest1",
                    .gateways = {MakePrefix("10.117.10.1", 24)},
                    .internal = true});
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(other.Ensure());
  ASSERT_FINE(other.SetHost(Host("a1", {"web"}, {"10.117.10.5"})));
  EXPECT_THAT(Ask("10.117.10.1", "web", "A").data, ElementsAre("10.117.10.5"));
  EXPECT_EQ(Ask(kGateway, "web", "A").rcode, kNoSuchName);
  ASSERT_FINE(other.Stop());
}

TEST_F(NameServerTest, APortThatIsTakenIsNamed) {
  ASSERT_FINE(server_->Ensure());
  NameServerConfig config = config_;
  config.dir = dir_ / "dns/second";
  NameServer second(config);
  const absl::Status refused = second.Ensure();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorReason(refused), "NAME_SERVER_FAILED");
  EXPECT_THAT(std::string(refused.message()), HasSubstr("in use"));
  EXPECT_NE(ErrorHint(refused), "");
  ASSERT_FINE(second.Stop());
}

TEST_F(NameServerTest, WhatWouldSayMoreThanItIsIsRefused) {
  for (const NameServerHost& host :
       {Host("../a1", {"web"}, {"10.117.9.5"}), Host("", {"web"}, {"10.117.9.5"}),
        Host("a1", {"web\n10.117.9.6 db"}, {"10.117.9.5"}), Host("a1", {""}, {"10.117.9.5"}),
        Host("a1", {"web"}, {"10.117.9.5"}, "02:00:00:00:00:05,set:x")}) {
    EXPECT_EQ(ErrorReason(server_->SetHost(host)), "BAD_HOST");
  }
  EXPECT_EQ(ErrorReason(server_->RemoveHost("../a1")), "BAD_HOST");
}

TEST_F(NameServerTest, DhcpGivesAKnownMacItsAddressAndOthersNone) {
  PlugGuest();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web", "web.vx"}, {"10.117.9.5"}, kMac)));
  EXPECT_THAT(Dhcp(kMac), HasSubstr(absl::StrCat("bound 10.117.9.5 router=", kGateway,
                                                 " dns=", kGateway, " domain=vx")));
  EXPECT_THAT(Dhcp(kOtherMac, "1"), Not(HasSubstr("bound")));
  EXPECT_EQ(Ask(kGateway, "impostor", "A").rcode, kNoSuchName) << "a guest named itself";
}

TEST_F(NameServerTest, DhcpForgetsAtOnceWhoIsRemovedAndTheNamesOfTheirLease) {
  PlugGuest();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web", "web.vx"}, {"10.117.9.5"}, kMac)));
  EXPECT_THAT(Dhcp(kMac), HasSubstr("bound 10.117.9.5"));
  ASSERT_FINE(server_->RemoveHost("a1"));
  for (const char* name : {"web", "web.vx"}) {
    EXPECT_EQ(Ask(kGateway, name, "A").rcode, kNoSuchName) << name;
  }
  EXPECT_THAT(Dhcp(kMac, "1"), Not(HasSubstr("bound")));
}

TEST_F(NameServerTest, ARenamedGuestKeepsItsAddressAndLosesItsOldNames) {
  PlugGuest();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web", "web.vx"}, {"10.117.9.5"}, kMac)));
  EXPECT_THAT(Dhcp(kMac), HasSubstr("bound 10.117.9.5"));
  ASSERT_FINE(server_->SetHost(Host("a1", {"api", "api.vx"}, {"10.117.9.5"}, kMac)));
  // Reads all of its files again.
  ASSERT_FINE(server_->SetHost(Host("a2", {"db"}, {"10.117.9.6"}, kOtherMac)));
  ASSERT_FINE(server_->RemoveHost("a2"));
  EXPECT_EQ(Ask(kGateway, "web", "A").rcode, kNoSuchName);
  EXPECT_THAT(Addresses("api.vx", "A"), ElementsAre("10.117.9.5"));
  EXPECT_THAT(Dhcp(kMac), HasSubstr("bound 10.117.9.5"));
}

TEST_F(NameServerTest, DhcpGivesTheAddressOfSomebodyGoneToTheNext) {
  PlugGuest();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web"}, {"10.117.9.5"}, kMac)));
  EXPECT_THAT(Dhcp(kMac), HasSubstr("bound 10.117.9.5"));
  ASSERT_FINE(server_->RemoveHost("a1"));
  ASSERT_FINE(server_->SetHost(Host("a2", {"db"}, {"10.117.9.5"}, kOtherMac)));
  EXPECT_THAT(Dhcp(kOtherMac), HasSubstr("bound 10.117.9.5"));
}

TEST_F(NameServerTest, DhcpNamesNoRouterOnAnInternalNetwork) {
  PlugGuest();
  config_.internal = true;
  server_ = Make();
  ASSERT_FINE(server_->Ensure());
  ASSERT_FINE(server_->SetHost(Host("a1", {"web"}, {"10.117.9.5"}, kMac)));
  EXPECT_THAT(Dhcp(kMac), HasSubstr(absl::StrCat("bound 10.117.9.5 router= dns=", kGateway)));
}

// A figure to look at, and no bound: other work on the host would break it.
TEST_F(NameServerTest, TimeOfAnAnswer) {
  constexpr int kRounds = 1000, kHosts = 200;
  ASSERT_FINE(server_->Ensure());
  for (int i = 0; i < kHosts; ++i) {
    ASSERT_FINE(server_->SetHost(Host(absl::StrCat("h", i), {absl::StrCat("host", i)},
                                      {absl::StrCat("10.117.9.", 2 + i)})));
  }
  std::vector<absl::Duration> times;
  for (int i = 0; i < kRounds; ++i) {
    const absl::Time begin = absl::Now();
    ASSERT_EQ(Ask(kGateway, absl::StrCat("host", i % kHosts), "A").data.size(), 1u);
    times.push_back(absl::Now() - begin);
  }
  std::sort(times.begin(), times.end());
  printf("an answer, of %d hosts: median %s, 99th of 100 %s\n", kHosts,
         absl::FormatDuration(times[kRounds / 2]).c_str(),
         absl::FormatDuration(times[kRounds * 99 / 100]).c_str());
}

}  // namespace
}  // namespace vx::network
