#include "plugins/cgroup/cgroup.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/v1.h"
#include "plugins/cgroup/v2.h"

namespace vx::cgroup {
namespace {

constexpr absl::string_view kControllers[] = {"memory",  "cpu",     "cpuacct",  "pids",
                                              "blkio",   "freezer", "cpuset",   "devices",
                                              "hugetlb", "net_cls", "net_prio", "rdma"};

// A line of mountinfo, as far as it matters.
struct MountLine {
  absl::string_view root;
  absl::string_view mount_point;
  absl::string_view type;
  absl::string_view options;  // of the filesystem
};

bool ParseMountLine(absl::string_view text, MountLine& line) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(text, absl::MaxSplits(" - ", 1));
  const std::vector<absl::string_view> first = absl::StrSplit(halves.first, ' ');
  const std::vector<absl::string_view> second = absl::StrSplit(halves.second, ' ');
  if (first.size() < 6 || second.size() < 3) return false;
  line = {first[3], first[4], second[0], second[2]};
  return true;
}

void AddV1(const MountLine& line, CgroupLayout& layout) {
  const std::vector<absl::string_view> options = absl::StrSplit(line.options, ',');
  for (absl::string_view controller : kControllers) {
    if (std::find(options.begin(), options.end(), controller) == options.end()) continue;
    layout.controllers.emplace(std::string(controller), std::string(line.mount_point));
  }
}

CgroupMode ModeOf(const CgroupLayout& layout) {
  if (layout.controllers.empty())
    return layout.unified.empty() ? CgroupMode::kNone : CgroupMode::kV2;
  return layout.unified.empty() ? CgroupMode::kV1 : CgroupMode::kHybrid;
}

bool IsCgroupMount(const std::string& path) {
  struct statfs info{};
  if (statfs(path.c_str(), &info) < 0) return false;
  return info.f_type == CGROUP_SUPER_MAGIC || info.f_type == CGROUP2_SUPER_MAGIC;
}

// The mount table also lists what a later mount lies on top of.
void DropHidden(CgroupLayout& layout) {
  std::erase_if(layout.controllers, [](const auto& entry) { return !IsCgroupMount(entry.second); });
  if (!IsCgroupMount(layout.unified)) layout.unified.clear();
  layout.mode = ModeOf(layout);
}

}  // namespace

absl::string_view CgroupModeName(CgroupMode mode) {
  switch (mode) {
    case CgroupMode::kV1:
      return "v1";
    case CgroupMode::kHybrid:
      return "hybrid";
    case CgroupMode::kV2:
      return "v2";
    default:
      return "none";
  }
}

std::vector<std::string> CgroupLayout::Hierarchies() const {
  std::vector<std::string> mounts;
  for (const auto& [controller, mount] : controllers) mounts.push_back(mount);
  std::sort(mounts.begin(), mounts.end());
  mounts.erase(std::unique(mounts.begin(), mounts.end()), mounts.end());
  return mounts;
}

CgroupLayout ParseCgroupMounts(absl::string_view mountinfo) {
  CgroupLayout layout;
  for (absl::string_view text : absl::StrSplit(mountinfo, '\n', absl::SkipEmpty())) {
    MountLine line;
    // Most mounts are something else: don't take those apart.
    if (text.find(" - cgroup") == absl::string_view::npos || !ParseMountLine(text, line)) continue;
    if (line.type == "cgroup2" && layout.unified.empty())
      layout.unified = std::string(line.mount_point);
    if (line.type == "cgroup") AddV1(line, layout);
  }
  layout.mode = ModeOf(layout);
  return layout;
}

absl::StatusOr<CgroupLayout> FindCgroups() {
  VX_ASSIGN_OR_RETURN(std::string mountinfo, ReadFile("/proc/self/mountinfo"));
  CgroupLayout layout = ParseCgroupMounts(mountinfo);
  DropHidden(layout);
  return layout;
}

std::unique_ptr<Cgroup> Cgroup::Open(const CgroupLayout& layout, const std::string& path) {
  if (layout.mode == CgroupMode::kV2) return std::make_unique<CgroupV2>(layout, path);
  return std::make_unique<CgroupV1>(layout, path);
}

}  // namespace vx::cgroup
