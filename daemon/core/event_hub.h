// Hands committed events to whoever listens, in order of revision.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "vx/v1/event_service.pb.h"

namespace vx::core {

// Thread-safe.
class EventHub {
 public:
  // Called under the store's lock: must be quick, must not use the store, the hub
  // or anything that waits for them.
  using Listener = std::function<void(const v1::Event&)>;

  // Ends the listening at its end of life; no call is in progress after that. Not
  // to be ended from inside the listener.
  class Subscription {
   public:
    Subscription() = default;
    Subscription(Subscription&& other) noexcept;
    Subscription& operator=(Subscription&& other) noexcept;
    ~Subscription() { End(); }
    void End();

   private:
    friend class EventHub;
    Subscription(EventHub* hub, int64_t id) : hub_(hub), id_(id) {}
    EventHub* hub_ = nullptr;
    int64_t id_ = 0;
  };

  // To miss nothing, subscribe while holding a store::View and read the present
  // state from that same view.
  Subscription Subscribe(Listener listener);

  void Publish(const std::vector<v1::Event>& events);

 private:
  absl::Mutex mutex_;
  std::map<int64_t, Listener> listeners_ ABSL_GUARDED_BY(mutex_);
  int64_t next_id_ ABSL_GUARDED_BY(mutex_) = 1;
};

}  // namespace vx::core
