// passwd and group of an image: user, passwd and group are parted by zero bytes.
#include <cstddef>
#include <cstdint>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "plugins/container/runtime/identity.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('\0', 2));
  if (parts.size() != 3) return 0;
  const auto identity = vx::container::ParseIdentity(parts[0], parts[1], parts[2]);
  if (!identity.ok()) return 0;
  // Never one that the container does not have.
  if (identity->uid >= vx::container::kMappedIds) __builtin_trap();
  if (identity->gid >= vx::container::kMappedIds) __builtin_trap();
  return 0;
}
