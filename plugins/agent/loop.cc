#include "plugins/agent/loop.h"

#include <sys/epoll.h>
#include <unistd.h>

namespace vx::agent {

Loop::Loop() : epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

Loop::~Loop() { close(epoll_); }

void Loop::Watch(int fd, uint32_t events, Handler handler) {
  watched_[fd] = std::make_shared<Watched>(Watched{0, std::move(handler)});
  Change(fd, events);
}

// A descriptor that is left in epoll tells of its end over and over.
void Loop::Change(int fd, uint32_t events) {
  const auto it = watched_.find(fd);
  if (it == watched_.end() || it->second->events == events) return;
  const int how = events == 0                 ? EPOLL_CTL_DEL
                  : it->second->events == 0 ? EPOLL_CTL_ADD
                                            : EPOLL_CTL_MOD;
  it->second->events = events;
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_, how, fd, &event);
}

void Loop::Forget(int fd) {
  Change(fd, 0);
  watched_.erase(fd);
}

void Loop::Step(int timeout_ms) {
  constexpr int kMost = 32;
  epoll_event events[kMost];
  const int n = epoll_wait(epoll_, events, kMost, timeout_ms);
  for (int i = 0; i < n; ++i) {
    // An earlier handler may have forgotten it, or wants to hear nothing now.
    const auto it = watched_.find(events[i].data.fd);
    if (it == watched_.end() || it->second->events == 0) continue;
    const std::shared_ptr<Watched> watched = it->second;
    watched->handler(events[i].events);
  }
}

}  // namespace vx::agent
