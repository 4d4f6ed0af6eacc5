// The unified hierarchy.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "plugins/cgroup/cgroup.h"
#include "plugins/cgroup/shared_limits.h"

namespace vx::cgroup {

class CgroupV2 final : public Cgroup {
 public:
  CgroupV2(const CgroupLayout& layout, const std::string& path);

  absl::Status Make(const CgroupLimits& limits) override;
  absl::Status Apply(const CgroupLimits& limits) override;
  absl::StatusOr<CgroupDoors> OpenDoors() const override;
  absl::Status Take(pid_t pid) override;
  absl::Status Freeze(bool frozen) override;
  bool IsFrozen() const override;
  absl::Status Kill(absl::Duration timeout) override;
  int64_t OomKills() const override;
  absl::StatusOr<OomNotice> WatchOom() const override;
  absl::StatusOr<CgroupUsage> Usage() const override;
  absl::StatusOr<CgroupStats> Stats() const override;
  bool Exists() const override;
  std::vector<pid_t> Processes() const override;
  absl::Status Remove() override;

 private:
  // Controller to the limit that needs it.
  using Needs = std::map<std::string, std::string>;

  std::string File(absl::string_view name) const;
  LimitFile Limit(absl::string_view limit, const std::string& controller,
                  absl::string_view name) const;

  // Hands the controllers down to the group, from the mount point on; what is handed
  // down already is left alone, as it may be another's (systemd's). Those that are
  // not needed are taken along where they can be had.
  absl::Status Enable(const Needs& needs, const std::vector<std::string>& extra) const;
  absl::Status EnableIn(const std::string& folder, const Needs& needs,
                        const std::vector<std::string>& extra) const;

  // cgroup_v2_limits.cc
  // Those that the group has.
  std::vector<std::string> Controllers() const;
  static Needs NeedsOf(const CgroupLimits& limits);
  absl::Status RefuseV1Only(const CgroupLimits& limits) const;
  absl::Status ApplyMemory(const CgroupLimits& limits) const;
  absl::Status ApplyMemoryMax(const CgroupLimits& limits) const;
  absl::Status ApplySwap(const CgroupLimits& limits, int64_t bytes) const;
  absl::Status ApplyCpu(const CgroupLimits& limits) const;
  absl::Status ApplyQuota(const CgroupLimits& limits) const;
  absl::Status ApplyCpuset(const CgroupLimits& limits) const;
  absl::Status ApplyHugepages(const CgroupLimits& limits) const;
  absl::Status ApplyUnified(const CgroupLimits& limits) const;

  // cgroup_v2_io.cc
  absl::Status ApplyBlock(const BlockLimits& block) const;
  absl::Status ApplyBlockWeights(const BlockLimits& block) const;

  // cgroup_v2_stats.cc
  MemoryStats ReadMemory() const;

  std::string root_;    // mount point
  std::string parent_;  // "ROOT/vx-INSTANCE"
  std::string group_;   // "ROOT/vx-INSTANCE/UID"
};

}  // namespace vx::cgroup
