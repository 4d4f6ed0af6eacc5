#include "plugins/cgroup/cpus.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"

namespace vx::cgroup {
namespace {

// The kernel takes no less.
constexpr int64_t kMinQuotaUs = 1000;

std::string ReadList(const std::string& path) {
  auto text = ReadFile(path);
  return text.ok() ? std::string(absl::StripAsciiWhitespace(*text)) : "";
}

}  // namespace

int64_t ToShares(int64_t weight, CgroupMode mode) {
  if (mode != CgroupMode::kV2) return std::clamp<int64_t>(weight * 1024 / 100, 2, 262144);
  // Rounded up, as the way back is rounded down.
  return 2 + ((weight - 1) * 262142 + 9998) / 9999;
}

int64_t ToQuota(double cpus) {
  return std::max(kMinQuotaUs, static_cast<int64_t>(std::llround(cpus * kCpuPeriodUs)));
}

std::string LiftedCpuset(const CgroupLayout& layout, const std::string& group) {
  const auto v1 = layout.controllers.find("cpuset");
  const bool is_v2 = layout.mode == CgroupMode::kV2;
  if (!is_v2 && v1 == layout.controllers.end()) return "";
  const std::string path = absl::StrCat(is_v2 ? layout.unified : v1->second, group);
  const std::string own = ReadList(absl::StrCat(path, "/cpuset.cpus"));
  const std::string above =
      ReadList(absl::StrCat(ParentOf(path), is_v2 ? "/cpuset.cpus.effective" : "/cpuset.cpus"));
  return own.empty() || own == above ? "" : above;
}

}  // namespace vx::cgroup
