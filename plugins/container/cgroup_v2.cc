#include "plugins/container/cgroup_v2.h"

#include <fcntl.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/cgroup_files.h"

namespace vx::container {
namespace {

constexpr char kEnable[] = "+memory +cpu +pids";
constexpr int64_t kDefaultPeriod = 100000;

// "max" or the number.
std::string Limit(int64_t value) { return value < 0 ? "max" : absl::StrCat(value); }

// From v1's scale (2 to 262144) to v2's (1 to 10000).
int64_t SharesToWeight(int64_t shares) {
  return 1 + (std::clamp<int64_t>(shares, 2, 262144) - 2) * 9999 / 262142;
}

bool HasControllers(const std::string& group) {
  for (const char* file : {"/memory.max", "/cpu.max", "/pids.max"}) {
    if (!PathExists(absl::StrCat(group, file))) return false;
  }
  return true;
}

}  // namespace

CgroupV2::CgroupV2(const CgroupLayout& layout, const std::string& path)
    : root_(layout.unified), group_(absl::StrCat(layout.unified, path)) {
  parent_ = group_.substr(0, group_.rfind('/'));
}

std::string CgroupV2::File(absl::string_view name) const { return absl::StrCat(group_, "/", name); }

absl::Status CgroupV2::Make(const CgroupLimits& limits) {
  VX_RETURN_IF_ERROR(MakeGroup(parent_, group_));
  VX_RETURN_IF_ERROR(Enable());
  return Apply(limits);
}

absl::Status CgroupV2::Enable() const {
  for (size_t end = root_.size(); end < group_.size();) {
    const std::string folder = group_.substr(0, end);
    end = std::min(group_.find('/', end + 1), group_.size());
    if (HasControllers(group_.substr(0, end))) continue;
    absl::Status status = WriteToFile(absl::StrCat(folder, "/cgroup.subtree_control"), kEnable);
    if (!status.ok()) {
      return Error(absl::StatusCode::kFailedPrecondition, "CGROUP_CONTROLLERS",
                   absl::StrCat("controllers memory, cpu and pids can't be enabled in ", folder,
                                ": ", status.message()),
                   "move processes out of that cgroup, or delegate the controllers to it");
    }
  }
  return absl::OkStatus();
}

absl::Status CgroupV2::Apply(const CgroupLimits& limits) {
  if (limits.memory_bytes) VX_RETURN_IF_ERROR(ApplyMemory(*limits.memory_bytes));
  if (limits.pids) VX_RETURN_IF_ERROR(WriteToFile(File("pids.max"), Limit(*limits.pids)));
  return ApplyCpu(limits);
}

absl::Status CgroupV2::ApplyMemory(int64_t bytes) const {
  VX_RETURN_IF_ERROR(WriteToFile(File("memory.max"), Limit(bytes)));
  // A limit on memory is one: no way out through swap.
  if (!PathExists(File("memory.swap.max"))) return absl::OkStatus();
  return WriteToFile(File("memory.swap.max"), bytes < 0 ? "max" : "0");
}

absl::Status CgroupV2::ApplyCpu(const CgroupLimits& limits) const {
  if (limits.cpu_shares) {
    VX_RETURN_IF_ERROR(WriteNumber(File("cpu.weight"), SharesToWeight(*limits.cpu_shares)));
  }
  if (!limits.cpu_quota) return absl::OkStatus();
  return WriteToFile(File("cpu.max"), absl::StrCat(Limit(*limits.cpu_quota), " ",
                                                   limits.cpu_period.value_or(kDefaultPeriod)));
}

absl::StatusOr<CgroupDoors> CgroupV2::OpenDoors() const {
  CgroupDoors doors;
  VX_ASSIGN_OR_RETURN(doors.into, OpenFile(group_, O_PATH | O_DIRECTORY));
  return doors;
}

absl::Status CgroupV2::Freeze(bool frozen) { return FreezeUnified(group_, frozen); }

bool CgroupV2::IsFrozen() const { return ReadNumber(File("cgroup.freeze")) == 1; }

absl::Status CgroupV2::Kill(absl::Duration timeout) { return KillUnified(group_, timeout); }

int64_t CgroupV2::OomKills() const { return ReadKey(File("memory.events"), "oom_kill"); }

absl::StatusOr<CgroupUsage> CgroupV2::Usage() const {
  if (!Exists()) return absl::NotFoundError(absl::StrCat("no cgroup ", group_));
  CgroupUsage usage;
  usage.cpu_time = absl::Microseconds(ReadKey(File("cpu.stat"), "usage_usec"));
  usage.memory_bytes = ReadNumber(File("memory.current"));
  usage.pids = ReadNumber(File("pids.current"));
  return usage;
}

bool CgroupV2::Exists() const { return PathExists(group_); }

absl::Status CgroupV2::Remove() { return RemoveGroup(group_); }

}  // namespace vx::container
