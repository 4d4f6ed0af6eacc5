// Control groups: one interface over the three ways that hosts mount them.
//
// A container has one group of the same path ("/vx-INSTANCE/UID") in every
// hierarchy: v1 has one for each controller, v2 a single one. On hybrid hosts
// (v1 controllers, v2 mounted beside them without any) the v2 group freezes and
// kills, which v1 does badly.
//
// Used by vx-runtime, which makes and enters groups, and by the driver. Not
// thread-safe, but keeps no state: several objects of one group are fine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"

namespace vx::container {

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

// What is left out stays as it is; -1 lifts a limit.
struct CgroupLimits {
  std::optional<int64_t> memory_bytes;
  // Microseconds of processor time in each period.
  std::optional<int64_t> cpu_quota;
  std::optional<int64_t> cpu_period;
  // v1's unit, 2 to 262144; 1024 is the default.
  std::optional<int64_t> cpu_shares;
  std::optional<int64_t> pids;
};

struct CgroupUsage {
  absl::Duration cpu_time;
  int64_t memory_bytes = 0;
  int64_t pids = 0;
};

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
  virtual absl::Status Apply(const CgroupLimits& limits) = 0;
  virtual absl::StatusOr<CgroupDoors> OpenDoors() const = 0;

  // Returns when all processes are frozen, or running again.
  virtual absl::Status Freeze(bool frozen) = 0;
  virtual bool IsFrozen() const = 0;

  // SIGKILLs everything in it, frozen or not, and waits up to `timeout` until it
  // is empty. Fine when it is not there.
  virtual absl::Status Kill(absl::Duration timeout) = 0;

  // How often the out-of-memory killer struck in it; 0 when it is not there.
  virtual int64_t OomKills() const = 0;
  virtual absl::StatusOr<CgroupUsage> Usage() const = 0;

  virtual bool Exists() const = 0;
  // Removes the group, which must be empty, and its parent when that was the
  // last in it. Idempotent.
  virtual absl::Status Remove() = 0;
};

}  // namespace vx::container
