// Chance that can be had again: all decisions of a test come from one seed.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "absl/time/time.h"

namespace vx::system_test {

// The seed of this run: VX_SEED, or a new one; printed, so that it can be given.
uint64_t ChooseSeed();

// The number in an environment variable; `fallback` when there is none.
int CountFromEnvironment(const char* variable, int fallback);

// A sequence of decisions of its own for each `who`. For one thread.
class Dice {
 public:
  Dice(uint64_t seed, const std::string& who);

  // 0 to n - 1.
  int Below(int n) { return static_cast<int>(engine_() % static_cast<uint64_t>(n)); }
  bool OneIn(int n) { return Below(n) == 0; }
  absl::Duration Between(absl::Duration least, absl::Duration most);

 private:
  std::mt19937_64 engine_;
};

}  // namespace vx::system_test
