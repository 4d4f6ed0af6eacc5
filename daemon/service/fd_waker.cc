#include "daemon/service/fd_waker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vx::service {

FdWaker::FdWaker() : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = stop_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, stop_.get(), &event);
  thread_ = std::thread([this] { Loop(); });
}

FdWaker::~FdWaker() {
  const uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void FdWaker::Arm(int fd, std::function<void()> wake) { ArmFor(EPOLLIN, fd, std::move(wake)); }

void FdWaker::ArmWritable(int fd, std::function<void()> wake) {
  ArmFor(EPOLLOUT, fd, std::move(wake));
}

void FdWaker::ArmFor(uint32_t events, int fd, std::function<void()> wake) {
  absl::MutexLock lock(&mutex_);
  armed_[fd] = std::move(wake);
  epoll_event event{};
  event.events = events | EPOLLONESHOT;
  event.data.fd = fd;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  }
}

void FdWaker::Forget(int fd) {
  absl::MutexLock lock(&mutex_);
  armed_.erase(fd);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

void FdWaker::Loop() {
  pthread_setname_np(pthread_self(), "vx-waker");
  while (true) {
    epoll_event events[64];
    const int n = epoll_wait(epoll_.get(), events, 64, -1);
    for (int i = 0; i < n; ++i) {
      const int fd = events[i].data.fd;
      if (fd == stop_.get()) return;
      // Called under the lock, so that Forget can promise what it does.
      absl::MutexLock lock(&mutex_);
      auto it = armed_.find(fd);
      if (it == armed_.end()) continue;
      std::function<void()> wake = std::move(it->second);
      armed_.erase(it);
      wake();
    }
  }
}

}  // namespace vx::service
