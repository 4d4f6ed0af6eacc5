// config.json of a bundle, which an engine or a user wrote.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "daemon/base/error.h"
#include "plugins/container/runtime/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto config = vx::container::ParseConfig(text, "/bundle");
  // What is refused is refused by name.
  if (!config.ok() && vx::ErrorReason(config.status()).empty()) __builtin_trap();
  return 0;
}
