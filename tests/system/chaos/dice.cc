#include "tests/system/chaos/dice.h"

#include <cstdlib>
#include <iostream>

#include "absl/strings/numbers.h"

namespace vx::system_test {

uint64_t ChooseSeed() {
  uint64_t seed = 0;
  const char* given = getenv("VX_SEED");
  if (given == nullptr || !absl::SimpleAtoi(given, &seed)) seed = std::random_device()();
  std::cout << "VX_SEED=" << seed << std::endl;
  return seed;
}

int CountFromEnvironment(const char* variable, int fallback) {
  int count = 0;
  const char* given = getenv(variable);
  if (given == nullptr || !absl::SimpleAtoi(given, &count) || count < 1) count = fallback;
  std::cout << variable << "=" << count << std::endl;
  return count;
}

Dice::Dice(uint64_t seed, const std::string& who) {
  std::seed_seq mixed(who.begin(), who.end());
  std::mt19937_64 of_who(mixed);
  engine_.seed(seed ^ of_who());
}

absl::Duration Dice::Between(absl::Duration least, absl::Duration most) {
  const int64_t span = absl::ToInt64Microseconds(most - least);
  return least + absl::Microseconds(static_cast<int64_t>(engine_() % (span + 1)));
}

}  // namespace vx::system_test
