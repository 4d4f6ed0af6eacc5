// What a user calls an image, and what a registry asks for in WWW-Authenticate.
#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/base/error.h"
#include "daemon/registry/auth.h"
#include "daemon/registry/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  vx::registry::ParseChallenge(text);
  const auto reference = vx::registry::ParseReference(text);
  if (!reference.ok()) {
    if (vx::ErrorReason(reference.status()).empty()) __builtin_trap();
    return 0;
  }
  // Its own name means the same.
  const auto again = vx::registry::ParseReference(reference->name);
  if (!again.ok() || again->ToString() != reference->ToString()) __builtin_trap();
  return 0;
}
