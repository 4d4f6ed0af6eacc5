#include "plugins/libvirt/cpu_quota.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

constexpr int64_t kPeriodUs = 100000;
// The kernel takes no less.
constexpr int64_t kLeastQuotaUs = 1000;
constexpr int kAttempts = 10;

int64_t QuotaUs(double cpus) {
  return std::max(kLeastQuotaUs, static_cast<int64_t>(std::llround(cpus * kPeriodUs)));
}

bool HasWord(absl::string_view text, absl::string_view word) {
  for (absl::string_view w : absl::StrSplit(text, absl::ByAnyChar(" \n"))) {
    if (w == word) return true;
  }
  return false;
}

}  // namespace

CpuQuota::CpuQuota(std::string parent, std::string root)
    : parent_(std::move(parent)), root_(std::move(root)) {}

bool CpuQuota::unified() const { return PathExists(root_ + "/cgroup.controllers"); }

std::string CpuQuota::ParentDir() const {
  if (unified()) {
    auto controllers = ReadFile(root_ + "/cgroup.controllers");
    const bool cpu = controllers.ok() && HasWord(*controllers, "cpu");
    return cpu ? absl::StrCat(root_, parent_) : "";
  }
  const std::string hierarchy = root_ + "/cpu";
  return PathExists(hierarchy + "/cpu.cfs_quota_us") || PathExists(hierarchy + "/cpu.shares")
             ? absl::StrCat(hierarchy, parent_)
             : "";
}

// Another VM's end may take the empty parent away in between.
absl::Status CpuQuota::MakeGroup(const std::string& parent, const std::string& group) const {
  for (int i = 0; i < kAttempts; ++i) {
    if (mkdir(parent.c_str(), 0755) < 0 && errno != EEXIST) break;
    if (unified()) {
      VX_RETURN_IF_ERROR(WriteToFile(ParentOf(parent) + "/cgroup.subtree_control", "+cpu"));
      WriteToFile(parent + "/cgroup.subtree_control", "+cpu").IgnoreError();
    }
    if (mkdir(group.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
    if (errno != ENOENT) break;
  }
  return ErrnoError(errno, absl::StrCat("mkdir ", group));
}

absl::Status CpuQuota::Limit(const std::string& name, pid_t pid, double cpus) const {
  const std::string parent = ParentDir();
  if (parent.empty()) {
    return Error(absl::StatusCode::kFailedPrecondition, "NO_CPU_CONTROLLER",
                 "a fraction of a cpu can't be had: this host has no cpu cgroup controller",
                 "ask for a whole number of cpus");
  }
  const std::string group = absl::StrCat(parent, "/", name);
  VX_RETURN_IF_ERROR(MakeGroup(parent, group));
  const int64_t quota = QuotaUs(cpus);
  if (unified()) {
    VX_RETURN_IF_ERROR(WriteToFile(group + "/cpu.max", absl::StrCat(quota, " ", kPeriodUs)));
  } else {
    VX_RETURN_IF_ERROR(WriteToFile(group + "/cpu.cfs_period_us", absl::StrCat(kPeriodUs)));
    VX_RETURN_IF_ERROR(WriteToFile(group + "/cpu.cfs_quota_us", absl::StrCat(quota)));
  }
  return WriteToFile(group + "/cgroup.procs", absl::StrCat(pid));
}

void CpuQuota::Remove(const std::string& name) const {
  const std::string parent = ParentDir();
  if (parent.empty() || rmdir(absl::StrCat(parent, "/", name).c_str()) < 0) return;
  rmdir(parent.c_str());
}

}  // namespace vx::libvirt
