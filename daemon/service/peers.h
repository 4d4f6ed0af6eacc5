// Who is at the other end of each connection.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace vx::service {

// Credentials by connection. The listener writes an entry when it accepts, under
// the descriptor's number; a call finds it by what gRPC names its peer ("fd:N").
// A number is overwritten when it is used again, which the listener puts off as
// long as it can. Thread-safe.
class Peers {
 public:
  void Put(int fd, const ucred& credentials);
  // Nothing for a peer that did not come through the listener.
  std::optional<ucred> Find(const std::string& peer) const;

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<int, ucred> by_fd_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::service
