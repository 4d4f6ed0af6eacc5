// A filter profile, which a user wrote.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "plugins/container/runtime/json_fields.h"
#include "plugins/container/runtime/seccomp.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto profile = vx::container::ParseJson(text, size_t{1} << 20, "profile");
  if (!profile.ok()) return 0;
  const auto program = vx::container::CompileSeccomp(*profile, 1 << 21);
  if (program.ok() && program->size() > BPF_MAXINSNS) return 0;
  return 0;
}
