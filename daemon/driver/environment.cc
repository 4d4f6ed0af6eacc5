#include "daemon/driver/driver.h"

namespace vx::driver {

std::string Environment::Option(const std::string& key, const std::string& fallback) const {
  auto it = options.find(key);
  return it == options.end() || it->second.empty() ? fallback : it->second;
}

}  // namespace vx::driver
