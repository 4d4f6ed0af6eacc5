// vx-proxy itself, with real sockets of the loopback interface.
#include "daemon/network/port_proxy.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/subprocess.h"
#include "daemon/base/unique_fd.h"

namespace vx::network {
namespace {

using testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr int kPatienceMillis = 20'000;

#define ASSERT_FINE(expression)                            \
  do {                                                     \
    const absl::Status fine = (expression);                \
    ASSERT_TRUE(fine.ok()) << #expression << ": " << fine; \
  } while (false)

struct Bound {
  UniqueFd fd;
  int port = 0;
};

sockaddr_in6 V6(int port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  return address;
}

// On 127.0.0.1, at a free port; TCP listens.
Bound BindV4(int type) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  Bound bound{UniqueFd(socket(AF_INET, type | SOCK_CLOEXEC, 0))};
  EXPECT_EQ(bind(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(type == SOCK_STREAM ? listen(bound.fd.get(), 512) : 0, 0);
  getsockname(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  bound.port = ntohs(address.sin_port);
  return bound;
}

// A port of [::1] that is free now.
Bound BindV6(int type) {
  sockaddr_in6 address = V6(0);
  socklen_t size = sizeof address;
  Bound bound{UniqueFd(socket(AF_INET6, type | SOCK_CLOEXEC, 0))};
  EXPECT_EQ(bind(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  getsockname(bound.fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  bound.port = ntohs(address.sin6_port);
  return bound;
}

int FreePort(int type) { return BindV6(type).port; }

UniqueFd ConnectV6(int type, int port) {
  UniqueFd fd(socket(AF_INET6, type | SOCK_CLOEXEC, 0));
  const sockaddr_in6 to = V6(port);
  const bool done = connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0;
  return done ? std::move(fd) : UniqueFd();
}

bool SendAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t n = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (n <= 0) return false;
    data.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

// To the end of what the other side says.
std::string ReadAll(int fd) {
  std::string text;
  char buffer[65536];
  pollfd ready{fd, POLLIN, 0};
  while (poll(&ready, 1, kPatienceMillis) == 1) {
    const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text + " and no end";
}

std::string Receive(int fd) {
  char buffer[65536];
  pollfd ready{fd, POLLIN, 0};
  if (poll(&ready, 1, kPatienceMillis) != 1) return "nothing";
  const ssize_t n = recv(fd, buffer, sizeof buffer, 0);
  return n < 0 ? strerror(errno) : std::string(buffer, static_cast<size_t>(n));
}

UniqueFd Accept(const Bound& bound) {
  pollfd ready{bound.fd.get(), POLLIN, 0};
  if (poll(&ready, 1, kPatienceMillis) != 1) return UniqueFd();
  return UniqueFd(accept4(bound.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

class PortProxyTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pid = Spawn({.argv = {"sleep", "1000"}});
    ASSERT_TRUE(pid.ok());
    life_ = *OpenPidfd(*pid);
  }

  void TearDown() override {
    EndLife();
    EXPECT_TRUE(EndPortProxy(name_).ok());
  }

  void EndLife() {
    SignalPidfd(life_.get(), SIGKILL).IgnoreError();
    EXPECT_TRUE(WaitPidfd(life_.get(), kPatience));
    ReapPidfd(life_.get());
  }

  ProxiedPort Port(int type, int host_port, int guest_port) {
    return {.udp = type == SOCK_DGRAM,
            .host = *ParseAddress("::1"),
            .host_port = host_port,
            .targets = {*ParseAddress("127.0.0.1")},
            .guest_port = guest_port};
  }

  absl::Status Start(std::vector<ProxiedPort> ports) {
    return StartPortProxy(
        {.program = VX_PROXY, .name = name_, .ports = std::move(ports), .life = life_.get()});
  }

  const std::string name_ = absl::StrCat("vx-test-", getpid());
  UniqueFd life_;
};

TEST_F(PortProxyTest, CarriesAConnectionAndEachSidesEnd) {
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, workload.port)}));
  const UniqueFd client = ConnectV6(SOCK_STREAM, port);
  ASSERT_TRUE(SendAll(client.get(), "question"));
  shutdown(client.get(), SHUT_WR);
  const UniqueFd server = Accept(workload);
  EXPECT_EQ(ReadAll(server.get()), "question");
  ASSERT_TRUE(SendAll(server.get(), "answer"));
  shutdown(server.get(), SHUT_WR);
  EXPECT_EQ(ReadAll(client.get()), "answer");
}

TEST_F(PortProxyTest, LosesNothingOfALotBothWaysAtOnce) {
  constexpr size_t kBytes = 32 << 20;
  std::string data(kBytes, '\0');
  for (size_t i = 0; i < kBytes; ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, workload.port)}));
  const UniqueFd client = ConnectV6(SOCK_STREAM, port);
  const UniqueFd server = Accept(workload);
  auto send = [&](int fd) {
    EXPECT_TRUE(SendAll(fd, data));
    shutdown(fd, SHUT_WR);
  };
  std::thread up(send, client.get()), down(send, server.get());
  std::string at_server;
  std::thread reader([&] { at_server = ReadAll(server.get()); });
  const bool at_client = ReadAll(client.get()) == data;
  for (std::thread* thread : {&up, &down, &reader}) thread->join();
  EXPECT_TRUE(at_client);
  EXPECT_TRUE(at_server == data);
}

TEST_F(PortProxyTest, ManyConnectionsAtOnceAreApart) {
  constexpr int kMany = 200;
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, workload.port)}));
  std::vector<UniqueFd> clients, servers;
  for (int i = 0; i < kMany; ++i) {
    clients.push_back(ConnectV6(SOCK_STREAM, port));
    ASSERT_TRUE(SendAll(clients.back().get(), absl::StrCat("client ", i)));
    servers.push_back(Accept(workload));
  }
  for (const UniqueFd& server : servers) {
    ASSERT_TRUE(SendAll(server.get(), absl::StrCat("to ", Receive(server.get()))));
  }
  for (int i = 0; i < kMany; ++i) {
    EXPECT_EQ(Receive(clients[i].get()), absl::StrCat("to client ", i));
  }
}

TEST_F(PortProxyTest, MoreConnectionsThanItHoldsWaitForTheirTurn) {
  constexpr int kHeld = 1024, kMore = 76;  // kMostLinks, and more
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, workload.port)}));
  std::vector<UniqueFd> clients, servers;
  for (int i = 0; i < kHeld + kMore; ++i) {
    clients.push_back(ConnectV6(SOCK_STREAM, port));
    if (!clients.back().valid()) GTEST_SKIP() << "not enough descriptors";
    if (i < kHeld) servers.push_back(Accept(workload));
  }
  pollfd more{workload.fd.get(), POLLIN, 0};
  EXPECT_EQ(poll(&more, 1, 0), 0) << "it holds more than it says";
  servers.clear();
  clients.erase(clients.begin(), clients.begin() + kHeld);
  for (int i = 0; i < kMore; ++i) {
    servers.push_back(Accept(workload));
    ASSERT_TRUE(SendAll(servers.back().get(), "served")) << i;
  }
  for (const UniqueFd& client : clients) EXPECT_EQ(Receive(client.get()), "served");
}

TEST_F(PortProxyTest, TriesTheNextTargetWhenOneRefuses) {
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ProxiedPort forward = Port(SOCK_STREAM, port, workload.port);
  forward.targets.insert(forward.targets.begin(), *ParseAddress("127.0.0.9"));
  ASSERT_FINE(Start({forward}));
  const UniqueFd client = ConnectV6(SOCK_STREAM, port);
  const UniqueFd server = Accept(workload);
  ASSERT_TRUE(SendAll(server.get(), "here"));
  EXPECT_EQ(Receive(client.get()), "here");
}

TEST_F(PortProxyTest, AWorkloadThatDoesNotListenEndsTheConnection) {
  const int port = FreePort(SOCK_STREAM), nobody = BindV4(SOCK_STREAM).port;
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, nobody)}));
  const UniqueFd client = ConnectV6(SOCK_STREAM, port);
  EXPECT_EQ(ReadAll(client.get()), "");
}

TEST_F(PortProxyTest, CarriesDatagramsAndKeepsClientsApart) {
  const Bound workload = BindV4(SOCK_DGRAM);
  const int port = FreePort(SOCK_DGRAM);
  ASSERT_FINE(Start({Port(SOCK_DGRAM, port, workload.port)}));
  const UniqueFd one = ConnectV6(SOCK_DGRAM, port), two = ConnectV6(SOCK_DGRAM, port);
  for (int round = 0; round < 3; ++round) {
    for (int fd : {one.get(), two.get()}) {
      ASSERT_TRUE(SendAll(fd, absl::StrCat("from ", fd)));
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      char buffer[64];
      const ssize_t n = recvfrom(workload.fd.get(), buffer, sizeof buffer, 0,
                                 reinterpret_cast<sockaddr*>(&from), &size);
      ASSERT_GT(n, 0);
      ASSERT_EQ(sendto(workload.fd.get(), buffer, static_cast<size_t>(n), 0,
                       reinterpret_cast<sockaddr*>(&from), size),
                n);
      EXPECT_EQ(Receive(fd), absl::StrCat("from ", fd));
    }
  }
}

TEST_F(PortProxyTest, EndsWithTheProcessWhoseLifeItHas) {
  const Bound workload = BindV4(SOCK_STREAM);
  const int port = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, port, workload.port)}));
  const UniqueFd client = ConnectV6(SOCK_STREAM, port);
  const UniqueFd server = Accept(workload);
  EndLife();
  ReadAll(client.get());
  // Its descriptors go one after the other.
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (ConnectV6(SOCK_STREAM, port).valid() && absl::Now() < deadline) {
  }
  EXPECT_FALSE(ConnectV6(SOCK_STREAM, port).valid());
}

TEST_F(PortProxyTest, AnotherOfTheNameTakesItsPlace) {
  const Bound workload = BindV4(SOCK_STREAM);
  const int before = FreePort(SOCK_STREAM), after = FreePort(SOCK_STREAM);
  ASSERT_FINE(Start({Port(SOCK_STREAM, before, workload.port)}));
  ASSERT_FINE(Start({Port(SOCK_STREAM, after, workload.port)}));
  EXPECT_FALSE(ConnectV6(SOCK_STREAM, before).valid());
  EXPECT_TRUE(ConnectV6(SOCK_STREAM, after).valid());
  ASSERT_FINE(EndPortProxy(name_));
  EXPECT_FALSE(ConnectV6(SOCK_STREAM, after).valid());
}

TEST_F(PortProxyTest, APortThatIsTakenIsNamed) {
  for (int type : {SOCK_STREAM, SOCK_DGRAM}) {
    const Bound taken = BindV6(type);
    ASSERT_EQ(type == SOCK_STREAM ? listen(taken.fd.get(), 1) : 0, 0);
    const absl::Status refused = Start({Port(type, taken.port, 80)});
    EXPECT_EQ(ErrorReason(refused), "PORT_UNAVAILABLE");
    EXPECT_THAT(std::string(refused.message()), HasSubstr(absl::StrCat("[::1]:", taken.port)));
    EXPECT_THAT(std::string(refused.message()), HasSubstr("Address already in use"));
  }
}

TEST(ProxyProgram, RefusesWhatIsNoForward) {
  for (const char* forward :
       {"", "tcp", "tcp,[::1]:80", "sctp,[::1]:80,10.0.0.1:80", "tcp,[::1]:0,10.0.0.1:80",
        "tcp,[::1]:70000,10.0.0.1:80", "tcp,::1:80,10.0.0.1:80", "tcp,[::1]:80,10.0.0.1",
        "tcp,[::1]:80,web:80", "tcp,[::1]:8x,10.0.0.1:80"}) {
    auto result = RunCommand({VX_PROXY, "--name=x", "--life-fd=3", forward});
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result->exit_code, 2) << forward;
  }
}

}  // namespace
}  // namespace vx::network
