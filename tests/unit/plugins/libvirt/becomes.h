// For what nothing tells of: asked for again and again.
#pragma once

#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace vx::libvirt {

// False when it is not true within 20 s.
inline bool Becomes(const std::function<bool()>& true_at_last) {
  const absl::Time deadline = absl::Now() + absl::Seconds(20);
  while (!true_at_last()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

}  // namespace vx::libvirt
