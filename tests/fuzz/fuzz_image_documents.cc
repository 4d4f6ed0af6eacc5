// Index, manifest and config of an image, which a registry sent or an archive held.
#include <cstddef>
#include <cstdint>
#include <string>

#include "daemon/base/error.h"
#include "daemon/image/oci_json.h"

namespace {

template <typename Parsed>
void Expect(const Parsed& parsed) {
  // What is refused is refused by name.
  if (!parsed.ok() && vx::ErrorReason(parsed.status()).empty()) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  Expect(vx::image::ParseIndex(text, "the index"));
  Expect(vx::image::ParseManifest(text, "the manifest"));
  Expect(vx::image::ParseConfig(text, "the config"));
  return 0;
}
