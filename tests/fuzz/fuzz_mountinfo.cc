// /proc/self/mountinfo, whose paths others may choose.
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "plugins/cgroup/cgroup.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const vx::container::CgroupLayout layout = vx::container::ParseCgroupMounts(text);
  const bool empty = layout.unified.empty() && layout.controllers.empty();
  if (empty != (layout.mode == vx::container::CgroupMode::kNone)) __builtin_trap();
  return 0;
}
