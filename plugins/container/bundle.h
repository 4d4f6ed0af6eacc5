// Makes the OCI bundle of a run: config.json, as vx-runtime reads it
// (runtime/config.h says what is beyond OCI in it).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/driver/driver.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/confinement.h"
#include "plugins/container/name_files.h"

namespace vx::container {

// What a bundle is made from.
struct BundleSpec {
  driver::Process process;
  // HOME is left out of the environment for the runtime to look up, unless spec or
  // image say it.
  bool sets_home = false;
  bool terminal = false;
  v1::Resources resources;
  Confinement confinement;
  // And where they come from, one for each.
  std::vector<v1::Mount> mounts;
  std::vector<driver::MountSource> sources;
  std::vector<std::string> layers;  // bottom first
  std::string root;                 // folder of upper and work
  bool is_volatile = false;
  std::string cgroup;
  cgroup::CgroupMode cgroup_mode = cgroup::CgroupMode::kV2;
  int oom_score_adj = 0;
  // No network namespace of its own.
  bool host_network = false;
  std::string seccomp_file;
  // vx-init on the host, to run the command under; empty: the command is the first
  // process.
  std::string init_program;
  // Made for the run.
  std::vector<FileInside> files;
  // First host id of the container's 65,536, where it has ids of its own.
  uint32_t first_id = 0;
};

// Least and default of the kind.
inline constexpr int64_t kMinMemory = int64_t{4} << 20;
inline constexpr double kMinCpus = 0.01;
inline constexpr int64_t kDefaultPids = 4096;

// The text of config.json.
std::string MakeBundle(const BundleSpec& spec);

// A workload's limits; what it leaves out is lifted (pids: the default), but for the
// cpuset, which stays.
cgroup::CgroupLimits ToLimits(const v1::Resources& resources, cgroup::CgroupMode mode);

}  // namespace vx::container
