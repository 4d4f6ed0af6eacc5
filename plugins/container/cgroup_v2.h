// The unified hierarchy.
#pragma once

#include <string>

#include "plugins/container/cgroup.h"

namespace vx::container {

class CgroupV2 final : public Cgroup {
 public:
  CgroupV2(const CgroupLayout& layout, const std::string& path);

  absl::Status Make(const CgroupLimits& limits) override;
  absl::Status Apply(const CgroupLimits& limits) override;
  absl::StatusOr<CgroupDoors> OpenDoors() const override;
  absl::Status Freeze(bool frozen) override;
  bool IsFrozen() const override;
  absl::Status Kill(absl::Duration timeout) override;
  int64_t OomKills() const override;
  absl::StatusOr<CgroupUsage> Usage() const override;
  bool Exists() const override;
  absl::Status Remove() override;

 private:
  std::string File(absl::string_view name) const;
  // Hands the controllers down to the group, from the first above it that lacks
  // them: what is further up may be another's (systemd's).
  absl::Status Enable() const;
  absl::Status ApplyMemory(int64_t bytes) const;
  absl::Status ApplyCpu(const CgroupLimits& limits) const;

  std::string root_;    // mount point
  std::string parent_;  // "ROOT/vx-INSTANCE"
  std::string group_;   // "ROOT/vx-INSTANCE/UID"
};

}  // namespace vx::container
