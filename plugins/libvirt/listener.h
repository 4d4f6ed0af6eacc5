// Who wants to know that a domain was paused or goes on, by whomever: a user of virsh,
// or QEMU itself, whose disk has no room.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace vx::libvirt {

// Thread-safe; shared by those who tell and who listens, in whatever order they end.
class Listener {
 public:
  // Takes a domain's name; must neither block nor call libvirt.
  using Heard = std::function<void(const std::string& domain)>;

  // Null: nobody listens; returns when no call is under way.
  void Set(Heard heard) {
    absl::MutexLock lock(&mutex_);
    heard_ = std::move(heard);
  }

  void Tell(const std::string& domain) {
    absl::MutexLock lock(&mutex_);
    if (heard_) heard_(domain);
  }

 private:
  absl::Mutex mutex_;
  Heard heard_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::libvirt
