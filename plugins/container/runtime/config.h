// A container's configuration: what we read of an OCI bundle's config.json
// (runtime-spec 1.1).
//
// Not supported, and refused where it is asked for: hooks (nothing of a bundle is run
// but in the container), joining a user or mount namespace, clock offsets, shared
// propagation (what is mounted inside can't be shown to the host), SELinux labels, I/O
// priorities and schedulers, Intel RDT, filters with a listener.
//
// Bundles of vx carry these annotations on top, all optional:
//   vx.overlay.lower     layer folders, bottom first, one a line; root.path is
//                        then not used
//   vx.overlay.upper     a folder that holds "upper" and "work"
//   vx.overlay.volatile  "true": the kernel need not keep the upper consistent
//   vx.user              "user[:group]", looked up in the container; wins over
//                        process.user
//   vx.seccomp           path of a profile (linux.seccomp's format, or Docker's);
//                        compiled programs are kept beside it
// And their bind mounts may have, beside "source":
//   vx.subpath   a folder in it, relative, which is mounted in its place and made where
//                it is missing; no link leads out of the source
//   vx.copyUp    true: a source with nothing in it, mounted to be written to, gets what the root
//                has in its place
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
#include "plugins/cgroup/cgroup.h"
#include "plugins/container/runtime/capabilities.h"

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

  // Leaves out what is not in `most`.
  void LimitTo(uint64_t most) {
    for (uint64_t* set : {&bounding, &effective, &permitted, &inheritable, &ambient}) *set &= most;
  }
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
  // Empty: none asked for.
  std::string apparmor;
};

struct IdMapping {
  uint32_t container = 0;
  uint32_t host = 0;
  uint32_t size = 0;
};

struct MountConfig {
  std::string destination;
  std::string type;
  std::string source;
  std::string subpath;
  bool copies_up = false;
  // MS_*; `cleared` are those that an option names as off ("exec", "rw").
  unsigned long flags = 0;
  unsigned long cleared = 0;
  // The same of the mounts below as well ("rro", "rexec").
  unsigned long recursive_flags = 0;
  unsigned long recursive_cleared = 0;
  // 0: private.
  unsigned long propagation = 0;
  // What is no flag, for the filesystem itself.
  std::string data;
  // Ids are mapped by the mount's own mappings or, where it has none, as the
  // container's user namespace does.
  bool maps_ids = false;
  bool maps_ids_below = false;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
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
  // MS_*; 0: private.
  unsigned long root_propagation = 0;
  std::optional<OverlayConfig> overlay;
  std::string user;
  std::string hostname;
  std::string domainname;
  // As personality(2) takes it.
  std::optional<unsigned long> personality;
  std::vector<MountConfig> mounts;
  int new_namespaces = 0;  // CLONE_NEW*
  std::vector<JoinedNamespace> joined_namespaces;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::string cgroups_path;
  cgroup::CgroupLimits limits;
  std::vector<DeviceConfig> devices;
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::map<std::string, std::string> sysctl;
  nlohmann::json seccomp;  // null: none
  std::string seccomp_file;
  std::map<std::string, std::string> annotations;

  // The host's id of one of the container's; the same without a user namespace, and
  // its root's where it has no such id.
  uint32_t HostUid(uint32_t id) const;
  uint32_t HostGid(uint32_t id) const;
  uint32_t root_uid() const { return HostUid(0); }
  uint32_t root_gid() const { return HostGid(0); }
};

inline constexpr size_t kMaxConfigBytes = size_t{4} << 20;

// INVALID_ARGUMENT (BAD_CONFIG) names the field: one of a wrong type, or one that can't be
// honoured. What the specification does not know is ignored. `bundle` is what a relative
// root.path is relative to.
absl::StatusOr<Config> ParseConfig(absl::string_view json, const std::string& bundle);

// Reads BUNDLE/config.json.
absl::StatusOr<Config> ReadConfig(const std::string& bundle);

// Lays an OCI process (as `exec` takes it) over the container's own: what it leaves out
// stays, its environment is added. INVALID_ARGUMENT (BAD_CONFIG). "vx.user" in it is
// the annotation's like.
absl::Status ParseExecProcess(absl::string_view json, Config& config);

// What `features` says of what the parser takes.
std::vector<std::string> MountOptionNames();

}  // namespace vx::container
