// The hierarchies of version 1, with the v2 one beside them where it is mounted
// (hybrid).
#pragma once

#include <string>
#include <vector>

#include "plugins/container/cgroup.h"

namespace vx::container {

class CgroupV1 final : public Cgroup {
 public:
  CgroupV1(const CgroupLayout& layout, const std::string& path) : layout_(layout), path_(path) {}

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
  // "/sys/fs/cgroup/memory/vx-INSTANCE/UID/NAME"; empty where the controller is
  // not mounted.
  std::string File(const std::string& controller, absl::string_view name) const;
  // The groups of all hierarchies, v2's last.
  std::vector<std::string> Groups() const;
  std::string UnifiedGroup() const;

  absl::Status MakeIn(const std::string& mount) const;
  absl::Status InheritCpus(const std::string& mount) const;
  absl::Status Set(const std::string& controller, absl::string_view name, int64_t value) const;
  absl::Status ApplyMemory(int64_t bytes) const;
  absl::Status FreezeV1(bool frozen) const;
  absl::Status KillV1(absl::Duration timeout) const;

  CgroupLayout layout_;
  std::string path_;
};

}  // namespace vx::container
