#include "daemon/base/ids.h"

#include <sys/random.h>

#include <cstdlib>

#include "absl/strings/escaping.h"

namespace vx {

std::string RandomHex(int digits) {
  std::string bytes(digits / 2, '\0');
  // Up to 256 bytes come whole once the pool is initialised; abort otherwise: an
  // id that is not random would collide.
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) std::abort();
  return absl::BytesToHexString(bytes);
}

}  // namespace vx
