// Keeps what belongs to workloads apart from the daemon that starts it: in cgroups
// that are not the daemon's, and without its protection from the out-of-memory
// killer.
//
// Everything that vxd spawns begins in vxd's own cgroup. Under systemd that is the
// one of vxd.service, which the service manager owns: it counts what is in it as the
// service's, bounds it by the service's limits, may end all of it when one of it runs
// out of memory, and warns of it at each start. So shims and QEMUs leave it, and
// containers never get into it, for a subtree that systemd hands over for good: the
// cgroup of a unit of its own with Delegate=yes, "the i-like-continents option" of
// systemd's CGROUP_DELEGATION. That unit is deploy/systemd/vx-workloads.service. It
// has no process of its own and stays active until somebody stops it, whatever
// becomes of vxd.
//
// Why a unit from a file, and not a scope for each workload asked of systemd over
// D-Bus: a start needs no round trip to two other daemons and can't fail by them, a
// scope goes when it becomes empty while this one can't, `systemctl edit` gives all
// workloads a limit, and `systemctl stop` ends them. The rule of the single writer
// holds: systemd writes the unit's cgroup and what is above, vx what is below.
//
// The unit says where its cgroup is by the key daemon.cgroup_parent. Where that is
// empty, which is everywhere but under those units, or where the controllers are not
// those of cgroup v2, nothing is moved: shims and QEMUs stay in vxd's cgroup.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"

namespace vx::driver {

// Where cgroups are mounted.
inline constexpr char kCgroupRoot[] = "/sys/fs/cgroup";

// daemon.cgroup_parent ("/machine.slice/vx-workloads.service"); empty where it is not
// set, or `root` is not that of cgroup v2.
std::string CgroupParent(const Environment& environment, const std::string& root = kCgroupRoot);

// Groups PARENT/vx-INSTANCE-ROLE/UID, without limits. Does nothing where CgroupParent
// is empty. Keeps no state; thread-safe.
class ProcessGroups {
 public:
  // `role` is what the processes are: "shim". A driver has one of its own for each.
  ProcessGroups(const Environment& environment, const std::string& role,
                const std::string& root = kCgroupRoot);

  // Makes the group of `uid`, and returns the file to which a process writes "0" to
  // get into it; empty where there are no groups. Fine when it is there.
  absl::StatusOr<std::string> Make(const std::string& uid) const;

  // Makes the group and puts a process into it. What it has allocated already
  // stays charged to where it came from.
  absl::Status Move(const std::string& uid, pid_t pid) const;

  // Removes the group, which must be empty, and the one above when it was the last.
  // Fine when it is not there.
  absl::Status Remove(const std::string& uid) const;

 private:
  std::string Group(const std::string& uid) const;

  std::string parent_;  // "ROOT/PARENT/vx-INSTANCE-ROLE"; empty: no groups
};

// The oom_score_adj of workloads: that of vxd, but never below 0. vxd is hard to
// kill, and a workload that takes all memory is what should go in its place. (Shims
// keep vxd's: their death is their workload's.)
int WorkloadOomScore();

// Gives a process that vxd's libraries spawned that score. Best effort.
void ResetOomScore(pid_t pid);

}  // namespace vx::driver
