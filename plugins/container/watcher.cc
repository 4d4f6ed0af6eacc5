#include "plugins/container/watcher.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/base/error.h"

namespace vx::container {
namespace {

constexpr uint64_t kStop = 0;
constexpr int kBatch = 64;

absl::Status Add(int epoll, int fd, uint64_t token) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = token;
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0) return absl::OkStatus();
  return ErrnoError(errno, "watch a process");
}

}  // namespace

absl::Status Watcher::Start() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  stop_.reset(eventfd(0, EFD_CLOEXEC));
  if (!epoll_.valid() || !stop_.valid()) return ErrnoError(errno, "make the watcher");
  absl::Status status = Add(epoll_.get(), stop_.get(), kStop);
  if (status.ok()) thread_ = std::thread([this] { Loop(); });
  return status;
}

Watcher::~Watcher() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  if (write(stop_.get(), &one, sizeof one) == sizeof one) thread_.join();
}

absl::Status Watcher::Watch(const std::string& uid, int pidfd) {
  absl::MutexLock lock(&mutex_);
  const uint64_t token = next_token_++;
  watched_[token] = {uid, pidfd};
  absl::Status status = Add(epoll_.get(), pidfd, token);
  if (!status.ok()) watched_.erase(token);
  return status;
}

void Watcher::Forget(const std::string& uid) {
  absl::MutexLock lock(&mutex_);
  for (auto it = watched_.begin(); it != watched_.end(); ++it) {
    if (it->second.uid != uid) continue;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.pidfd, nullptr);
    watched_.erase(it);
    return;
  }
}

void Watcher::Loop() {
  epoll_event events[kBatch];
  while (true) {
    const int n = epoll_wait(epoll_.get(), events, kBatch, -1);
    for (int i = 0; i < n; ++i) {
      if (events[i].data.u64 == kStop) return;
      Tell(events[i].data.u64);
    }
  }
}

void Watcher::Tell(uint64_t token) {
  std::string uid;
  {
    absl::MutexLock lock(&mutex_);
    auto it = watched_.find(token);
    if (it == watched_.end()) return;
    uid = it->second.uid;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, it->second.pidfd, nullptr);
    watched_.erase(it);
  }
  on_end_(uid);
}

}  // namespace vx::container
