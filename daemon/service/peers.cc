#include "daemon/service/peers.h"

#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace vx::service {

void Peers::Put(int fd, const ucred& credentials) {
  absl::MutexLock lock(&mutex_);
  by_fd_[fd] = credentials;
}

std::optional<ucred> Peers::Find(const std::string& peer) const {
  absl::string_view number = peer;
  int fd = -1;
  if (!absl::ConsumePrefix(&number, "fd:") || !absl::SimpleAtoi(number, &fd)) return std::nullopt;
  absl::MutexLock lock(&mutex_);
  auto it = by_fd_.find(fd);
  if (it == by_fd_.end()) return std::nullopt;
  return it->second;
}

}  // namespace vx::service
