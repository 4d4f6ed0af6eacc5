#include "daemon/base/watcher.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include <cerrno>
#include <utility>

#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx {
namespace {

constexpr uint64_t kStop = 0;

absl::Status AddToEpoll(int epoll, int fd, uint32_t events, uint64_t id) {
  epoll_event event = {};
  event.events = events;
  event.data.u64 = id;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoError(errno, "watch a descriptor");
}

}  // namespace

Watcher::Watcher(const char* thread)
    : epoll_(epoll_create1(EPOLL_CLOEXEC)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!AddToEpoll(epoll_.get(), stop_.get(), EPOLLIN, kStop).ok()) {
    // Now each Add fails and says so.
    epoll_.reset();
    return;
  }
  thread_ = std::thread([this] { Loop(); });
  pthread_setname_np(thread_.native_handle(), thread);
}

Watcher::~Watcher() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

absl::StatusOr<Watcher::Id> Watcher::Add(UniqueFd fd, Ready ready) {
  return Add(std::move(fd), EPOLLIN, std::move(ready));
}

absl::StatusOr<Watcher::Id> Watcher::Add(UniqueFd fd, uint32_t events, Ready ready) {
  const int number = fd.get();
  return AddWatch(std::move(fd), number, events, std::move(ready));
}

absl::StatusOr<Watcher::Id> Watcher::AddBorrowed(int fd, uint32_t events, Ready ready) {
  return AddWatch(UniqueFd(), fd, events, std::move(ready));
}

absl::StatusOr<Watcher::Id> Watcher::AddWatch(UniqueFd owned, int fd, uint32_t events,
                                              Ready ready) {
  auto watch = std::make_shared<Watch>(Watch{std::move(owned), fd, std::move(ready)});
  absl::MutexLock lock(&mutex_);
  const Id id = next_id_++;
  VX_RETURN_IF_ERROR(AddToEpoll(epoll_.get(), fd, events, id));
  watches_[id] = std::move(watch);
  return id;
}

// What a callback holds ends outside of the lock: it may be a user of this.
void Watcher::Remove(Id id) {
  std::shared_ptr<Watch> watch;
  absl::MutexLock lock(&mutex_);
  auto it = watches_.find(id);
  if (it == watches_.end()) return;
  watch = std::move(it->second);
  watches_.erase(it);
  // The file may be open elsewhere too, so closing is not enough.
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, watch->fd, nullptr);
}

void Watcher::Loop() {
  while (true) {
    epoll_event event;
    const int n = epoll_wait(epoll_.get(), &event, 1, -1);
    if (n < 0 && errno != EINTR) return;
    if (n <= 0) continue;
    if (event.data.u64 == kStop) return;
    Dispatch(event.data.u64);
  }
}

void Watcher::Dispatch(Id id) {
  std::shared_ptr<Watch> watch;
  {
    absl::MutexLock lock(&mutex_);
    auto it = watches_.find(id);
    if (it == watches_.end()) return;
    watch = it->second;
  }
  if (!watch->ready()) Remove(id);
}

}  // namespace vx
