#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "daemon/network/proxy/proxy.h"

namespace vx::network::proxy {
namespace {

// Then it is the turn of others.
constexpr int kMostDatagrams = 32;

constinit char g_datagram[65536];

bool Same(const Endpoint& a, const Endpoint& b) {
  return a.size == b.size && memcmp(&a.v6, &b.v6, a.size) == 0;
}

}  // namespace

void Proxy::FromClients(int forward) {
  for (int i = 0; i < kMostDatagrams; ++i) {
    Endpoint client{};
    client.size = sizeof client.v6;
    const ssize_t n = recvfrom(forwards_[forward].fd, g_datagram, sizeof g_datagram, 0,
                               &client.any, &client.size);
    if (n < 0) return;
    const int index = Session(forward, client);
    if (index < 0) continue;
    g_links[index].used = NowMillis();
    send(g_links[index].fds[1], g_datagram, static_cast<size_t>(n), MSG_NOSIGNAL);
  }
}

void Proxy::FromWorkload(int index) {
  Link& link = g_links[index];
  for (int i = 0; i < kMostDatagrams; ++i) {
    // An error is one of an earlier send, and said once.
    const ssize_t n = recv(link.fds[1], g_datagram, sizeof g_datagram, 0);
    if (n < 0) return;
    link.used = NowMillis();
    sendto(forwards_[link.forward].fd, g_datagram, static_cast<size_t>(n), MSG_NOSIGNAL,
           &link.client.any, link.client.size);
  }
}

int Proxy::Session(int forward, const Endpoint& client) {
  for (int i = 0; sessions_ > 0 && i < kMostLinks; ++i) {
    const Link& link = g_links[i];
    if (link.state == Link::kUdp && link.forward == forward && Same(link.client, client)) return i;
  }
  return OpenSession(forward, client);
}

int Proxy::OpenSession(int forward, const Endpoint& client) {
  const int index = Free();
  if (index < 0) {
    // Its place is free in the next turn; this datagram is lost, as datagrams are.
    if (const int least = LeastUsed(); least >= 0) Close(least);
    return -1;
  }
  const Endpoint& to = forwards_[forward].to[0];
  const int fd = socket(to.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, &to.any, to.size) < 0 || !Watch(fd, EPOLLIN, kWorkloadSide, index)) {
    close(fd);
    return -1;
  }
  g_links[index] = {.state = Link::kUdp,
                    .target = 0,
                    .forward = forward,
                    .fds = {-1, fd},
                    .flows = {{{-1, -1}, 0, false, false}, {{-1, -1}, 0, false, false}},
                    .client = client,
                    .used = 0};
  ++sessions_;
  return index;
}

int Proxy::LeastUsed() const {
  int least = -1;
  for (int i = 0; i < kMostLinks; ++i) {
    if (g_links[i].state != Link::kUdp) continue;
    if (least < 0 || g_links[i].used < g_links[least].used) least = i;
  }
  return least;
}

void Proxy::CloseIdle() {
  const int64_t now = NowMillis();
  for (int i = 0; i < kMostLinks; ++i) {
    if (g_links[i].state == Link::kUdp && now - g_links[i].used > kUdpIdleMillis) Close(i);
  }
}

}  // namespace vx::network::proxy
