// Keeps what belongs to workloads apart from the daemon that starts it: in cgroups
// that are not the daemon's, and without its protection from the out-of-memory
// killer.
//
// Everything that vxd spawns begins in vxd's own cgroup. Under systemd that is the
// one of vxd.service, which the service manager owns: it counts what is in it as the
// service's, bounds it by the service's limits, may end all of it when one of it runs
// out of memory, and warns of it at each start. So shims and QEMUs leave it, and
// containers never get into it, for a subtree that systemd hands over for good: the
// cgroup of one scope with Delegate=yes that is apart from the service, which is the
// third of the ways that systemd's CGROUP_DELEGATION offers to container managers. The
// rule of the single writer holds: systemd writes the scope's cgroup and what is
// above, vx what is below.
//
// deploy/systemd/vx-workloads makes the scope before vxd's first start. It lives for
// as long as a process is in it, whatever becomes of vxd: there is one that only
// sleeps, and should that be killed, the workloads themselves.
//
// One scope for all, and not one for each workload: a start asks nobody and can't
// fail or wait by another daemon's doing, thousands of workloads are not thousands of
// units, and there is one thing to give a limit or to stop. What is lost, systemd's
// commands on a single workload, is what vxctl is for.
//
// The scope's cgroup comes by the key daemon.cgroup_parent. Where that is empty, which
// is everywhere but under that service, or where the controllers are not those of
// cgroup v2, nothing is moved: shims and QEMUs stay in vxd's cgroup.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"

namespace vx::driver {

// Where cgroups are mounted.
inline constexpr char kCgroupRoot[] = "/sys/fs/cgroup";

// daemon.cgroup_parent ("/machine.slice/vx-workloads.scope"); empty where it is not
// set, or `root` is not that of cgroup v2.
std::string CgroupParent(const Environment& environment, const std::string& root = kCgroupRoot);

// Groups PARENT/vx-INSTANCE-ROLE/UID, without limits. Does nothing where CgroupParent
// is empty. Keeps no state; thread-safe.
class ProcessGroups {
 public:
  // `role` is what the processes are: "shim". A driver has one of its own for each.
  ProcessGroups(const Environment& environment, const std::string& role,
                const std::string& root = kCgroupRoot);

  // "vx-INSTANCE-ROLE".
  const std::string& name() const { return name_; }

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

  std::string name_;
  std::string parent_;  // "ROOT/PARENT/vx-INSTANCE-ROLE"; empty: no groups
};

// The oom_score_adj of workloads: that of vxd, but never below 0. vxd is hard to
// kill, and a workload that takes all memory is what should go in its place. (Shims
// keep vxd's: their death is their workload's.)
int WorkloadOomScore();

// Gives a process that vxd's libraries spawned that score. Best effort.
void ResetOomScore(pid_t pid);

}  // namespace vx::driver
