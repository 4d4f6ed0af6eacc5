// A cgroup of our own around every QEMU: it can't take more of the host than its guest
// is worth, and what a user said of its part of the cpus holds.
//
// "vx-INSTANCE-vm/UID", below daemon.cgroup_parent where that is set; the same in each
// hierarchy of v1. Made before QEMU is started and removed once it has ended.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"
#include "plugins/cgroup/cgroup.h"

namespace vx::libvirt {

// Keeps no state; thread-safe.
class QemuGroups {
 public:
  // `layout` is that of a test, in place of the host's.
  explicit QemuGroups(const driver::Environment& environment,
                      std::optional<cgroup::CgroupLayout> layout = std::nullopt);

  // Makes the group with all limits but the one on time: with a hundredth of a cpu a
  // guest would boot for minutes. CGROUP_CONTROLLERS for one that was asked for and
  // that this host can't keep.
  absl::Status Make(const std::string& uid, const v1::Resources& resources) const;

  // Puts QEMU, or a virtiofsd of its guest, into it. QEMU while the guest is paused, as
  // nothing of its memory is charged to anybody yet.
  absl::Status Take(const std::string& uid, pid_t qemu) const;

  // Sets the limit on time, for a guest with `vcpus` processors.
  absl::Status LimitTime(const std::string& uid, const v1::Resources& resources, int vcpus) const;

  // For a guest of that size.
  absl::Status BoundMemory(const std::string& uid, int64_t guest_memory) const;

  // Sets all limits anew.
  absl::Status Update(const std::string& uid, const v1::Resources& resources, int vcpus) const;

  // NOT_FOUND when there is no such group.
  absl::StatusOr<cgroup::CgroupStats> Stats(const std::string& uid) const;

  // Whether QEMU was killed because it wanted more memory than its bound.
  bool WentOver(const std::string& uid) const;

  // Ends all that is in it, and reaps what of that is ours. Fine when it is not there.
  absl::Status Kill(const std::string& uid) const;

  // Fine when it is not there.
  absl::Status Remove(const std::string& uid) const;

 private:
  struct Group {
    std::unique_ptr<cgroup::Cgroup> cgroup;
    cgroup::CgroupLayout layout;
    std::string path;
  };

  absl::StatusOr<Group> Open(const std::string& uid) const;
  absl::Status Limit(const Group& group, const v1::Resources& resources) const;

  const std::string parent_;
  const std::optional<cgroup::CgroupLayout> layout_;
};

}  // namespace vx::libvirt
