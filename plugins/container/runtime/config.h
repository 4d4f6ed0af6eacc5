// A container's configuration: what we read of an OCI bundle's config.json
// (runtime-spec 1.1).
//
// Bundles of vx carry these annotations on top, all optional:
//   vx.overlay.lower     layer folders, bottom first, one a line; root.path is
//                        then not used
//   vx.overlay.upper     a folder that holds "upper" and "work"
//   vx.overlay.volatile  "true": the kernel need not keep the upper consistent
//   vx.user              "user[:group]", looked up in the container; wins over
//                        process.user
//   vx.seccomp           path of a profile (linux.seccomp's format); the compiled
//                        program is kept beside it, as PATH.bpf
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "plugins/container/cgroup.h"

namespace vx::container {

struct Rlimit {
  int resource = 0;
  std::string name;
  uint64_t soft = 0;
  uint64_t hard = 0;
};

// Bits by capability number.
struct Capabilities {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t permitted = 0;
  uint64_t inheritable = 0;
  uint64_t ambient = 0;
};

struct ProcessConfig {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd = "/";
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<gid_t> additional_gids;
  std::optional<uint32_t> umask;
  Capabilities capabilities;
  bool no_new_privileges = false;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;
  bool terminal = false;
  // In characters; 0: not known.
  uint16_t terminal_columns = 0;
  uint16_t terminal_rows = 0;
};

struct MountConfig {
  std::string destination;
  std::string type;
  std::string source;
  unsigned long flags = 0;
  unsigned long propagation = 0;
  // What is no flag, for the filesystem itself.
  std::string data;
};

struct IdMapping {
  uint32_t container = 0;
  uint32_t host = 0;
  uint32_t size = 0;
};

struct DeviceConfig {
  std::string path;
  mode_t type = 0;  // S_IFCHR, S_IFBLK or S_IFIFO
  uint32_t major = 0;
  uint32_t minor = 0;
  mode_t mode = 0666;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// A namespace to join instead of making one.
struct JoinedNamespace {
  int flag = 0;  // CLONE_NEW*
  std::string path;
};

struct OverlayConfig {
  std::vector<std::string> lower;  // bottom first
  std::string upper;
  bool is_volatile = false;
};

struct Config {
  std::string oci_version;
  ProcessConfig process;
  std::string rootfs;  // absolute
  bool readonly_root = false;
  std::optional<OverlayConfig> overlay;
  std::string user;
  std::string hostname;
  std::vector<MountConfig> mounts;
  int new_namespaces = 0;  // CLONE_NEW*
  std::vector<JoinedNamespace> joined_namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::string cgroups_path;
  CgroupLimits limits;
  std::vector<DeviceConfig> devices;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::map<std::string, std::string> sysctl;
  nlohmann::json seccomp;  // null: none
  std::string seccomp_file;
  std::map<std::string, std::string> annotations;

  // The host's id of the container's root; 0 without a user namespace.
  uint32_t root_uid() const;
  uint32_t root_gid() const;
};

// INVALID_ARGUMENT (BAD_CONFIG) names the field. `bundle` is what a relative
// root.path is relative to.
absl::StatusOr<Config> ParseConfig(absl::string_view json, const std::string& bundle);

// Reads BUNDLE/config.json.
absl::StatusOr<Config> ReadConfig(const std::string& bundle);

// Lays an OCI process (as `exec` takes it) over the container's own: what it leaves out
// stays, its environment is added. INVALID_ARGUMENT (BAD_CONFIG). "vx.user" in it is
// the annotation's like.
absl::Status ParseExecProcess(absl::string_view json, Config& config);

// Number of a capability ("CAP_CHOWN"); -1 when there is no such.
int CapabilityNumber(absl::string_view name);

}  // namespace vx::container
