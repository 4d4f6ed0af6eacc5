#include "plugins/libvirt/qemu_groups.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/placement.h"
#include "plugins/cgroup/cpus.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {
namespace {

constexpr absl::Duration kKillTimeout = absl::Seconds(10);

// Where there is nothing to keep a bound of ours with, there is none.
absl::Status WhereItCan(const absl::Status& status) {
  return ErrorReason(status) == "CGROUP_CONTROLLERS" ? absl::OkStatus() : status;
}

}  // namespace

QemuGroups::QemuGroups(const driver::Environment& environment,
                       std::optional<cgroup::CgroupLayout> layout)
    : parent_(absl::StrCat(driver::CgroupParent(environment), "/vx-", environment.instance_id,
                           "-vm")),
      layout_(std::move(layout)) {}

absl::StatusOr<QemuGroups::Group> QemuGroups::Open(const std::string& uid) const {
  Group group;
  if (layout_) {
    group.layout = *layout_;
  } else {
    VX_ASSIGN_OR_RETURN(group.layout, cgroup::FindCgroups());
  }
  group.path = absl::StrCat(parent_, "/", uid);
  group.cgroup = cgroup::Cgroup::Open(group.layout, group.path);
  return group;
}

absl::Status QemuGroups::Limit(const Group& group, const v1::Resources& resources) const {
  const cgroup::CgroupLimits own = OwnLimits(resources);
  VX_RETURN_IF_ERROR(WhereItCan(group.cgroup->Apply({.memory_bytes = own.memory_bytes})));
  VX_RETURN_IF_ERROR(WhereItCan(group.cgroup->Apply({.pids = own.pids})));
  cgroup::CgroupLimits asked = AskedLimits(resources, group.layout.mode);
  if (asked.cpus.empty()) asked.cpus = cgroup::LiftedCpuset(group.layout, group.path);
  const absl::Status status = group.cgroup->Apply(asked);
  const bool was_asked = resources.has_cpu_weight() || !resources.cpuset().empty();
  return was_asked ? status : WhereItCan(status);
}

absl::Status QemuGroups::Make(const std::string& uid, const v1::Resources& resources) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  VX_RETURN_IF_ERROR(group.cgroup->Make({}));
  return Limit(group, resources);
}

absl::Status QemuGroups::Take(const std::string& uid, pid_t qemu) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  return group.layout.mode == cgroup::CgroupMode::kNone ? absl::OkStatus()
                                                        : group.cgroup->Take(qemu);
}

absl::Status QemuGroups::LimitTime(const std::string& uid, const v1::Resources& resources,
                                   int vcpus) const {
  const cgroup::CgroupLimits limit = TimeLimit(resources, vcpus);
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  const absl::Status status = group.cgroup->Apply(limit);
  return *limit.cpu_quota >= 0 ? status : WhereItCan(status);
}

absl::Status QemuGroups::BoundMemory(const std::string& uid, int64_t guest_memory) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  return WhereItCan(group.cgroup->Apply({.memory_bytes = MemoryBound(guest_memory)}));
}

absl::Status QemuGroups::Update(const std::string& uid, const v1::Resources& resources,
                                int vcpus) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  VX_RETURN_IF_ERROR(Limit(group, resources));
  return LimitTime(uid, resources, vcpus);
}

absl::StatusOr<cgroup::CgroupStats> QemuGroups::Stats(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  return group.cgroup->Stats();
}

bool QemuGroups::WentOver(const std::string& uid) const {
  auto group = Open(uid);
  return group.ok() && group->cgroup->OomKills() > 0;
}

absl::Status QemuGroups::Kill(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  if (!group.cgroup->Exists()) return absl::OkStatus();
  // A virtiofsd is two processes: the second is ours once the first is gone.
  std::vector<UniqueFd> pidfds;
  for (pid_t pid : group.cgroup->Processes()) {
    if (auto pidfd = OpenPidfd(pid); pidfd.ok()) pidfds.push_back(*std::move(pidfd));
  }
  VX_RETURN_IF_ERROR(group.cgroup->Kill(kKillTimeout));
  for (const UniqueFd& pidfd : pidfds) WaitPidfd(pidfd.get(), kKillTimeout);
  for (const UniqueFd& pidfd : pidfds) ReapPidfd(pidfd.get());
  return absl::OkStatus();
}

absl::Status QemuGroups::Remove(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(Group group, Open(uid));
  return group.cgroup->Remove();
}

}  // namespace vx::libvirt
