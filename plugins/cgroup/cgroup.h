// Control groups: one interface over the three ways that hosts mount them.
//
// A workload has one group of the same path ("/vx-INSTANCE/UID") in every
// hierarchy: v1 has one for each controller (of cpuset only if it is bound to cpus), v2 a
// single one. On hybrid hosts (v1 controllers, v2 mounted beside them with what no v1
// hierarchy took) the v2 group freezes and kills, which v1 does badly; it also tells
// pressure, and holds device rules where v1 has no controller for them.
//
// Used by vx-runtime, which makes and enters groups, and by both drivers. Not
// thread-safe, but keeps no state: several objects of one group are fine.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"
#include "plugins/cgroup/limits.h"
#include "plugins/cgroup/oom_notice.h"
#include "plugins/cgroup/stats.h"

namespace vx::cgroup {

enum class CgroupMode { kNone, kV1, kHybrid, kV2 };

// "none", "v1", "hybrid", "v2".
absl::string_view CgroupModeName(CgroupMode mode);

// Where the hierarchies are mounted.
struct CgroupLayout {
  CgroupMode mode = CgroupMode::kNone;
  // Of cgroup2; empty when it is not mounted.
  std::string unified;
  // v1: controller to mount point. Some share one.
  std::map<std::string, std::string> controllers;

  // The distinct v1 mount points.
  std::vector<std::string> Hierarchies() const;
};

// Reads the format of /proc/self/mountinfo. A v1 hierarchy counts when it holds
// one of the controllers that we use.
CgroupLayout ParseCgroupMounts(absl::string_view mountinfo);
// This process's.
absl::StatusOr<CgroupLayout> FindCgroups();

// How a process gets into a group.
struct CgroupDoors {
  // For CLONE_INTO_CGROUP; invalid where there is no v2.
  UniqueFd into;
  // v1: the single-threaded process writes "0" to each itself. (A parent that
  // writes its pid to cgroup.procs waits for a grace period of RCU, 10 ms.)
  std::vector<UniqueFd> tasks;
};

class Cgroup {
 public:
  // `path` begins with a slash. Touches nothing.
  static std::unique_ptr<Cgroup> Open(const CgroupLayout& layout, const std::string& path);
  virtual ~Cgroup() = default;

  // Makes the group and its parents, with limits. Fine when it is there.
  virtual absl::Status Make(const CgroupLimits& limits) = 0;
  // Sets what is given. FAILED_PRECONDITION (CGROUP_CONTROLLERS) for a limit that the
  // host's kernel or its mounted controllers can't keep, CGROUP_LIMIT for a value that
  // the kernel refuses: both name the limit and the controller, and those before it
  // (in the order of limits.h, roughly) are set.
  virtual absl::Status Apply(const CgroupLimits& limits) = 0;
  virtual absl::StatusOr<CgroupDoors> OpenDoors() const = 0;
  // Puts a process with all its threads in, from outside; slower than by a door. What
  // it has allocated already stays charged to where it came from.
  virtual absl::Status Take(pid_t pid) = 0;

  // Returns when all processes are frozen, or running again.
  virtual absl::Status Freeze(bool frozen) = 0;
  virtual bool IsFrozen() const = 0;

  // SIGKILLs everything in it, frozen or not, and waits up to `timeout` until it
  // is empty. Fine when it is not there.
  virtual absl::Status Kill(absl::Duration timeout) = 0;

  // How often the out-of-memory killer struck in it; 0 when it is not there. The kernel
  // counts before it signals the victim, so whoever has seen a process end sees why; and
  // the count stays until Remove. No notice is needed for that.
  virtual int64_t OomKills() const = 0;
  // Tells of the next of these strikes, for those that end only a part of what is in it.
  // On v1, not of those for want of the whole host's memory. An error when the group is
  // not there, or the host has no memory controller.
  virtual absl::StatusOr<OomNotice> WatchOom() const = 0;
  // The little that is asked for often.
  virtual absl::StatusOr<CgroupUsage> Usage() const = 0;
  // All there is to know; NOT_FOUND when the group is not there.
  virtual absl::StatusOr<CgroupStats> Stats() const = 0;

  virtual bool Exists() const = 0;
  // Those in it, as they are now; none when it is not there.
  virtual std::vector<pid_t> Processes() const = 0;
  // Removes the group, which must be empty, and its parent when that was the
  // last in it. Idempotent.
  virtual absl::Status Remove() = 0;
};

}  // namespace vx::cgroup
