// Network namespaces for tests: the host's stand-in, in which the test's own thread is, and
// those of workloads. Sockets stay in the namespace in which they were made, whoever uses them.
#pragma once

#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "daemon/base/unique_fd.h"
#include "daemon/network/address.h"
#include "daemon/network/link_messages.h"
#include "daemon/network/netlink.h"

namespace vx::network {

#define ASSERT_FINE(expression)                            \
  do {                                                     \
    const absl::Status fine = (expression);                \
    ASSERT_TRUE(fine.ok()) << #expression << ": " << fine; \
  } while (false)

inline Address A(absl::string_view text) { return ParseAddress(text).value(); }
inline Prefix P(absl::string_view text) { return ParsePrefix(text).value(); }

inline bool LoopbackUp() {
  auto netlink = Netlink::Open(NETLINK_ROUTE);
  return netlink.ok() && netlink->Do(LinkMessage(RTM_NEWLINK, 0, "lo", true), "lo up").ok();
}

// The calling thread is in a fresh namespace from now on.
inline bool EnterFreshNamespace() { return unshare(CLONE_NEWNET) == 0 && LoopbackUp(); }

class Namespace {
 public:
  Namespace() {
    std::thread([this] {
      if (EnterFreshNamespace()) fd_.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
  }
  int fd() const { return fd_.get(); }

  void Run(const std::function<void()>& what) const {
    std::thread([&] {
      if (setns(fd_.get(), CLONE_NEWNET) == 0) what();
    }).join();
  }

 private:
  UniqueFd fd_;
};

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

inline SocketAddress ToSocketAddress(const Address& address, int port) {
  SocketAddress result;
  if (address.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&result.storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    memcpy(&v6->sin6_addr, address.bytes.data(), 16);
    result.size = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&result.storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    memcpy(&v4->sin_addr, address.bytes.data(), 4);
    result.size = sizeof *v4;
  }
  return result;
}

// Bound to every address of the family where `address` is its unspecified one.
inline UniqueFd Bind(const Address& address, int port, int type = SOCK_STREAM) {
  UniqueFd fd(socket(address.v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, 0));
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.v6) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  SocketAddress at = ToSocketAddress(address, port);
  if (bind(fd.get(), at.get(), at.size) != 0) return UniqueFd();
  if (type == SOCK_STREAM && listen(fd.get(), 16) != 0) return UniqueFd();
  return fd;
}

inline UniqueFd BindIn(const Namespace& where, const Address& address, int port,
                       int type = SOCK_STREAM) {
  UniqueFd fd;
  where.Run([&] { fd = Bind(address, port, type); });
  return fd;
}

// What is refused without a word ends by this; what works never takes so long.
inline constexpr int kSilenceMs = 300;
inline constexpr int kPatienceMs = 5000;

inline bool Readable(int fd, int timeout_ms = kPatienceMs) {
  pollfd poller{fd, POLLIN, 0};
  return poll(&poller, 1, timeout_ms) == 1;
}

inline UniqueFd Connect(const Address& address, int port, int timeout_ms = kPatienceMs) {
  UniqueFd fd(socket(address.v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval timeout{timeout_ms / 1000, timeout_ms % 1000 * 1000};
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  SocketAddress to = ToSocketAddress(address, port);
  if (connect(fd.get(), to.get(), to.size) != 0) return UniqueFd();
  return fd;
}

inline UniqueFd ConnectFrom(const Namespace& where, const Address& address, int port,
                            int timeout_ms = kPatienceMs) {
  UniqueFd fd;
  where.Run([&] { fd = Connect(address, port, timeout_ms); });
  return fd;
}

// A byte there and back.
inline bool Echoes(int client, int server) {
  char byte = 'x';
  if (send(client, &byte, 1, MSG_NOSIGNAL) != 1 || !Readable(server)) return false;
  if (recv(server, &byte, 1, 0) != 1 || send(server, &byte, 1, MSG_NOSIGNAL) != 1) return false;
  return Readable(client) && recv(client, &byte, 1, 0) == 1 && byte == 'x';
}

// Whether what connects to `listener` by `client` gets through.
inline bool Serves(const UniqueFd& client, const UniqueFd& listener) {
  if (!client.valid() || !Readable(listener.get())) return false;
  const UniqueFd server(accept(listener.get(), nullptr, nullptr));
  return server.valid() && Echoes(client.get(), server.get());
}

}  // namespace vx::network
