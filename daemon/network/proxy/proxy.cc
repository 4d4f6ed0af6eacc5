#include "daemon/network/proxy/proxy.h"

#include <errno.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include <initializer_list>

namespace vx::network::proxy {
namespace {

constexpr int kMostEvents = 64;
constexpr int kUdpSweepMillis = 10'000;
// After which connections are accepted again that there were no descriptors for.
constexpr int kRetryMillis = 200;

void CloseFd(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

constinit Link g_links[kMostLinks];

int64_t NowMillis() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

bool Proxy::Watch(int fd, uint32_t events, Kind kind, int index) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = uint64_t{kind} << 32 | static_cast<uint32_t>(index);
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) return true;
  return errno == EEXIST && epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event) == 0;
}

bool Proxy::Run() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0 || !Watch(life_, EPOLLIN, kLife, 0)) return false;
  for (int i = 0; i < count_; ++i) {
    if (!Watch(forwards_[i].fd, EPOLLIN, kListener, i)) return false;
  }
  epoll_event events[kMostEvents];
  while (true) {
    const int timeout = !listening_ ? kRetryMillis : sessions_ > 0 ? kUdpSweepMillis : -1;
    const int n = epoll_wait(epoll_, events, kMostEvents, timeout);
    for (int i = 0; i < n; ++i) {
      const Kind kind = static_cast<Kind>(events[i].data.u64 >> 32);
      if (kind == kLife) return true;
      Handle(kind, static_cast<int>(events[i].data.u64), events[i].events);
    }
    if (n == 0 && !listening_) SetListening(true);
    EndTurn();
  }
}

void Proxy::Handle(Kind kind, int index, uint32_t events) {
  if (kind == kListener) {
    return forwards_[index].udp ? FromClients(index) : Accept(index);
  }
  switch (g_links[index].state) {
    case Link::kUdp:
      return FromWorkload(index);
    case Link::kConnecting:
      if (kind == kWorkloadSide) return Connected(index);
      // A client that is gone already.
      if (events & (EPOLLERR | EPOLLHUP)) Close(index);
      return;
    case Link::kOpen:
      return Pump(index);
    default:
      return;
  }
}

int Proxy::Free() {
  for (int i = 0; i < kMostLinks; ++i) {
    if (g_links[i].state == Link::kFree) return i;
  }
  return -1;
}

void Proxy::Close(int index) {
  Link& link = g_links[index];
  if (link.state == Link::kUdp) --sessions_;
  for (int side : {0, 1}) {
    CloseFd(link.fds[side]);
    CloseFd(link.flows[side].pipe[0]);
    CloseFd(link.flows[side].pipe[1]);
  }
  link.state = Link::kDead;
  closed_ = true;
}

void Proxy::EndTurn() {
  if (sessions_ > 0) CloseIdle();
  if (!closed_) return;
  for (Link& link : g_links) {
    if (link.state == Link::kDead) link.state = Link::kFree;
  }
  closed_ = false;
  if (!listening_) SetListening(true);
}

void Proxy::SetListening(bool on) {
  listening_ = on;
  for (int i = 0; i < count_; ++i) {
    if (!forwards_[i].udp) Watch(forwards_[i].fd, on ? uint32_t{EPOLLIN} : 0, kListener, i);
  }
}

}  // namespace vx::network::proxy
