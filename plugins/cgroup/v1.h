// The hierarchies of version 1, with the v2 one beside them where it is mounted
// (hybrid).
#pragma once

#include <string>
#include <vector>

#include "plugins/cgroup/cgroup.h"
#include "plugins/cgroup/shared_limits.h"

namespace vx::cgroup {

class CgroupV1 final : public Cgroup {
 public:
  CgroupV1(const CgroupLayout& layout, const std::string& path) : layout_(layout), path_(path) {}

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
  bool Has(const std::string& controller) const { return layout_.controllers.contains(controller); }
  // "/sys/fs/cgroup/memory/vx-INSTANCE/UID/NAME"; empty where the controller is
  // not mounted.
  std::string File(const std::string& controller, absl::string_view name) const;
  LimitFile Limit(absl::string_view limit, const std::string& controller,
                  absl::string_view name) const;
  // The groups of all hierarchies, v2's last.
  std::vector<std::string> Groups() const;
  std::string UnifiedGroup() const;
  // Where cpuset has a hierarchy for itself; else empty. Each group there makes the kernel
  // go over all others at every change, so only a workload that is bound to cpus has one.
  std::string CpusetGroup() const;
  static bool WantsCpuset(const CgroupLimits& limits) {
    return !limits.cpus.empty() || !limits.mems.empty();
  }
  // Those of Groups() that a workload which was made has.
  std::vector<std::string> MadeGroups() const;

  absl::Status MakeIn(const std::string& mount) const;
  absl::Status InheritCpus(const std::string& mount) const;
  // Makes CpusetGroup(), with every process in it, if it isn't there.
  absl::Status JoinCpuset() const;
  absl::Status FreezeV1(bool frozen) const;
  absl::Status KillV1(absl::Duration timeout) const;

  // cgroup_v1_limits.cc
  absl::Status ApplyMemory(const CgroupLimits& limits) const;
  absl::Status ApplyMemoryMax(const CgroupLimits& limits) const;
  absl::Status ApplyMemoryAndSwap(int64_t bytes, int64_t both) const;
  absl::Status ApplyCpu(const CgroupLimits& limits) const;
  absl::Status ApplyCpuset(const CgroupLimits& limits) const;
  absl::Status ApplyPids(const CgroupLimits& limits) const;
  absl::Status ApplyNetwork(const CgroupLimits& limits) const;
  absl::Status ApplyDevices(const std::vector<DeviceRule>& rules) const;
  absl::Status ApplyHugepages(const CgroupLimits& limits) const;
  absl::Status ApplyRdma(const CgroupLimits& limits) const;
  // In the v2 hierarchy of a hybrid host, what no v1 hierarchy has.
  absl::Status ApplyUnified(const CgroupLimits& limits) const;
  bool IsUnified(const std::string& controller) const;

  // cgroup_v1_io.cc
  absl::Status ApplyBlock(const BlockLimits& block) const;
  absl::Status ApplyBlockWeights(const BlockLimits& block) const;
  LimitFile WeightFile(absl::string_view limit, absl::string_view suffix) const;

  // cgroup_v1_stats.cc
  CpuStats ReadCpu() const;
  MemoryStats ReadMemory() const;
  std::vector<IoStats> ReadIo() const;

  CgroupLayout layout_;
  std::string path_;
};

}  // namespace vx::cgroup
