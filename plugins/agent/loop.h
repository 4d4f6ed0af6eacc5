// Waits for descriptors, and calls whoever watches them. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>

namespace vx::agent {

class Loop {
 public:
  // Told of epoll's events.
  using Handler = std::function<void(uint32_t events)>;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Watches `fd`, which is borrowed, until Forget. `events` are epoll's: with EPOLLET
  // the handler hears of changes only.
  void Watch(int fd, uint32_t events, Handler handler);
  // Waits for other events from now on; fine where it was so already. 0: for nothing,
  // not even for its end.
  void Change(int fd, uint32_t events);
  // Fine for one that is not watched. Handlers may forget any, themselves too.
  void Forget(int fd);

  // One wait, of `timeout_ms` at most (-1: for ever), and the calls that come of it.
  void Step(int timeout_ms);

 private:
  struct Watched {
    uint32_t events;
    Handler handler;
  };

  int epoll_;
  std::map<int, std::shared_ptr<Watched>> watched_;
};

}  // namespace vx::agent
