#include "plugins/libvirt/watcher.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vx::libvirt {
namespace {

void AddToEpoll(int epoll, int fd, uint32_t events = EPOLLIN) {
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

}  // namespace

Watcher::Watcher()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  AddToEpoll(epoll_.get(), stop_.get());
  thread_ = std::thread([this] { Loop(); });
  pthread_setname_np(thread_.native_handle(), "vx-vm-watch");
}

Watcher::~Watcher() {
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Watcher::Add(UniqueFd fd, std::function<bool()> ready) {
  Add(std::move(fd), EPOLLIN, std::move(ready));
}

void Watcher::Add(UniqueFd fd, uint32_t events, std::function<bool()> ready) {
  const int number = fd.get();
  auto watch = std::make_shared<Watch>();
  watch->fd = std::move(fd);
  watch->ready = std::move(ready);
  absl::MutexLock lock(&mutex_);
  watches_[number] = std::move(watch);
  AddToEpoll(epoll_.get(), number, events);
}

void Watcher::Loop() {
  while (true) {
    epoll_event event;
    const int n = epoll_wait(epoll_.get(), &event, 1, -1);
    if (n < 0 && errno != EINTR) return;
    if (n <= 0) continue;
    if (event.data.fd == stop_.get()) return;
    Dispatch(event.data.fd);
  }
}

void Watcher::Dispatch(int fd) {
  std::shared_ptr<Watch> watch;
  {
    absl::MutexLock lock(&mutex_);
    auto it = watches_.find(fd);
    if (it == watches_.end()) return;
    watch = it->second;
  }
  if (watch->ready()) return;
  absl::MutexLock lock(&mutex_);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watches_.erase(fd);
}

}  // namespace vx::libvirt
