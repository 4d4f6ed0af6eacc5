#include "daemon/core/event_hub.h"

#include <utility>

namespace vx::core {

EventHub::Subscription::Subscription(Subscription&& other) noexcept
    : hub_(std::exchange(other.hub_, nullptr)), id_(other.id_) {}

EventHub::Subscription& EventHub::Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    End();
    hub_ = std::exchange(other.hub_, nullptr);
    id_ = other.id_;
  }
  return *this;
}

void EventHub::Subscription::End() {
  EventHub* hub = std::exchange(hub_, nullptr);
  if (hub == nullptr) return;
  absl::MutexLock lock(&hub->mutex_);
  hub->listeners_.erase(id_);
}

EventHub::Subscription EventHub::Subscribe(Listener listener) {
  absl::MutexLock lock(&mutex_);
  const int64_t id = next_id_++;
  listeners_.emplace(id, std::move(listener));
  return Subscription(this, id);
}

void EventHub::Publish(const std::vector<v1::Event>& events) {
  absl::MutexLock lock(&mutex_);
  for (const v1::Event& event : events) {
    for (auto& [id, listener] : listeners_) listener(event);
  }
}

}  // namespace vx::core
