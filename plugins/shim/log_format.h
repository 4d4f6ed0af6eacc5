// Where what is in a line of a log (client.h, OpenLog, says the format).
#pragma once

#include <cstddef>

#include "absl/strings/string_view.h"

namespace vx::shim {

inline constexpr size_t kTimeSize = sizeof("2026-01-02T03:04:05.000000000Z") - 1;
// Time, space, "stdout", space, "F", space.
inline constexpr size_t kTagOffset = kTimeSize + 8;
inline constexpr size_t kContentOffset = kTagOffset + 2;

// False for a part whose rest follows.
inline bool IsFullLine(absl::string_view line) {
  return line.size() > kTagOffset && line[kTagOffset] == 'F';
}

}  // namespace vx::shim
