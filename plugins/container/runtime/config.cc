#include "plugins/container/runtime/config.h"

#include <sched.h>
#include <sys/stat.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"
#include "plugins/container/runtime/json_fields.h"

namespace vx::container {
namespace {

constexpr char kLower[] = "vx.overlay.lower";
constexpr char kUpper[] = "vx.overlay.upper";
constexpr char kVolatile[] = "vx.overlay.volatile";
constexpr char kUser[] = "vx.user";
constexpr char kSeccomp[] = "vx.seccomp";

constexpr const char* kHooks[] = {"prestart",       "createRuntime", "createContainer",
                                  "startContainer", "poststart",     "poststop"};

uint32_t HostOf(const std::vector<IdMapping>& mappings, uint32_t id) {
  if (mappings.empty()) return id;
  for (const IdMapping& m : mappings) {
    if (id >= m.container && id - m.container < m.size) return m.host + (id - m.container);
  }
  return id == 0 ? 0 : HostOf(mappings, 0);
}

absl::Status ParseAnnotations(const Json& json, Config& config) {
  const Json& object = Member(json, "annotations");
  if (object.is_null()) return absl::OkStatus();
  if (!object.is_object()) return BadConfig("annotations", "is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return BadConfig(absl::StrCat("annotations.", key), "is not a string");
    if (key.find('\0') != std::string::npos) return BadConfig("annotations", "hold a zero byte");
    VX_RETURN_IF_ERROR(GetString(object, key.c_str(), "annotations", config.annotations[key]));
  }
  return absl::OkStatus();
}

std::string Annotation(const Config& config, const char* key) {
  auto it = config.annotations.find(key);
  return it == config.annotations.end() ? "" : it->second;
}

absl::Status ParseOverlay(Config& config) {
  const std::string lower = Annotation(config, kLower);
  if (lower.empty()) return absl::OkStatus();
  OverlayConfig overlay;
  overlay.lower = absl::StrSplit(lower, '\n', absl::SkipEmpty());
  overlay.upper = Annotation(config, kUpper);
  overlay.is_volatile = Annotation(config, kVolatile) == "true";
  if (overlay.upper.empty()) {
    return BadConfig("annotations.vx.overlay.upper", "is missing beside vx.overlay.lower");
  }
  config.overlay = std::move(overlay);
  return absl::OkStatus();
}

absl::Status ParseRoot(const Json& json, const std::string& bundle, Config& config) {
  VX_RETURN_IF_ERROR(CheckObject(json, "root", ""));
  const Json& root = Member(json, "root");
  VX_RETURN_IF_ERROR(GetString(root, "path", "root", config.rootfs));
  VX_RETURN_IF_ERROR(GetBool(root, "readonly", "root", config.readonly_root));
  if (config.rootfs.empty() && !config.overlay) return BadConfig("root.path", "is missing");
  if (!config.rootfs.starts_with("/")) config.rootfs = absl::StrCat(bundle, "/", config.rootfs);
  return absl::OkStatus();
}

// Whether the container has a namespace of its own, made for it or joined.
int OwnNamespaces(const Config& config) {
  int own = config.new_namespaces;
  for (const JoinedNamespace& joined : config.joined_namespaces) own |= joined.flag;
  return own;
}

absl::Status CheckMounts(const Config& config) {
  bool has_dev = false;
  for (size_t i = 0; i < config.mounts.size(); ++i) {
    const MountConfig& mount = config.mounts[i];
    has_dev = has_dev || (mount.destination == "/dev" && mount.type == "tmpfs");
    if (mount.maps_ids && mount.uid_mappings.empty() && config.uid_mappings.empty()) {
      return BadConfig(absl::StrCat("mounts[", i, "].uidMappings"),
                       "are missing, and there is no user namespace to map ids as");
    }
  }
  if (config.devices.empty() || has_dev) return absl::OkStatus();
  return BadConfig("linux.devices", "needs a mount of type tmpfs on /dev");
}

absl::Status CheckWhole(const Config& config) {
  const int own = OwnNamespaces(config);
  const bool new_user = (config.new_namespaces & CLONE_NEWUSER) != 0;
  if ((config.new_namespaces & CLONE_NEWNS) == 0) {
    return BadConfig("linux.namespaces", "lacks a new mount namespace");
  }
  if ((own & CLONE_NEWPID) == 0) {
    return BadConfig("linux.namespaces", "lacks a pid namespace");
  }
  if (new_user && (config.uid_mappings.empty() || config.gid_mappings.empty())) {
    return BadConfig("linux.uidMappings and gidMappings", "are needed with a user namespace");
  }
  if (!config.hostname.empty() && (own & CLONE_NEWUTS) == 0) {
    return BadConfig("hostname", "needs a uts namespace");
  }
  if (!config.domainname.empty() && (own & CLONE_NEWUTS) == 0) {
    return BadConfig("domainname", "needs a uts namespace");
  }
  for (const auto& [key, value] : config.sysctl) VX_RETURN_IF_ERROR(CheckSysctl(key, own));
  return CheckMounts(config);
}

// The runtime runs nothing of a bundle outside of its container.
absl::Status RefuseHooks(const Json& json) {
  VX_RETURN_IF_ERROR(CheckObject(json, "hooks", ""));
  const Json& hooks = Member(json, "hooks");
  for (const char* name : kHooks) {
    const Json& list = Member(hooks, name);
    if (list.is_null() || (list.is_array() && list.empty())) continue;
    return BadConfig(absl::StrCat("hooks.", name), "is not supported: hooks are not run");
  }
  return absl::OkStatus();
}

std::vector<std::string> MergeEnvironment(std::vector<std::string> env,
                                          const std::vector<std::string>& added) {
  for (const std::string& variable : added) {
    const std::string name = variable.substr(0, variable.find('=')) + "=";
    std::erase_if(env, [&](const std::string& old) { return old.starts_with(name); });
    env.push_back(variable);
  }
  return env;
}

absl::StatusOr<Config> FromJson(const Json& json, const std::string& bundle) {
  Config config;
  if (!json.is_object()) return BadConfig("the file", "is not a JSON object");
  VX_RETURN_IF_ERROR(GetString(json, "ociVersion", "", config.oci_version));
  if (!config.oci_version.starts_with("1.")) return BadConfig("ociVersion", "is not 1.x");
  VX_RETURN_IF_ERROR(ParseAnnotations(json, config));
  VX_RETURN_IF_ERROR(ParseOverlay(config));
  VX_RETURN_IF_ERROR(ParseRoot(json, bundle, config));
  VX_RETURN_IF_ERROR(GetString(json, "hostname", "", config.hostname));
  VX_RETURN_IF_ERROR(GetString(json, "domainname", "", config.domainname));
  VX_RETURN_IF_ERROR(RefuseHooks(json));
  VX_RETURN_IF_ERROR(ParseProcess(Member(json, "process"), config.process));
  VX_RETURN_IF_ERROR(ParseMounts(json, config.mounts));
  VX_RETURN_IF_ERROR(CheckObject(json, "linux", ""));
  VX_RETURN_IF_ERROR(ParseLinux(Member(json, "linux"), config));
  config.user = Annotation(config, kUser);
  config.seccomp_file = Annotation(config, kSeccomp);
  VX_RETURN_IF_ERROR(CheckWhole(config));
  return config;
}

}  // namespace

uint32_t Config::HostUid(uint32_t id) const { return HostOf(uid_mappings, id); }
uint32_t Config::HostGid(uint32_t id) const { return HostOf(gid_mappings, id); }

absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& bundle) {
  VX_ASSIGN_OR_RETURN(const Json json, ParseJson(text, kMaxConfigBytes, "the file"));
  return FromJson(json, bundle);
}

absl::Status ParseExecProcess(absl::string_view text, Config& config) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return BadConfig("the process", "is not JSON");
  ProcessConfig& process = config.process;
  std::vector<std::string> env = std::move(process.env);
  process.args.clear();
  process.env.clear();
  process.terminal = false;
  // One that is said replaces the container's own as a whole.
  if (!Member(json, "rlimits").is_null()) process.rlimits.clear();
  if (!Member(json, "capabilities").is_null()) process.capabilities = {};
  if (!Member(json, "user").is_null()) {
    config.user.clear();
    process.additional_gids.clear();
  }
  VX_RETURN_IF_ERROR(ParseProcess(json, process));
  VX_RETURN_IF_ERROR(GetString(json, kUser, "process", config.user));
  process.env = MergeEnvironment(std::move(env), process.env);
  return absl::OkStatus();
}

absl::StatusOr<Config> ReadConfig(const std::string& bundle) {
  const std::string path = absl::StrCat(bundle, "/config.json");
  struct stat st{};
  // Before it is read into memory.
  if (stat(path.c_str(), &st) < 0) return ErrnoError(errno, absl::StrCat("open ", path));
  if (!S_ISREG(st.st_mode)) return BadConfig("the file", "is no regular file");
  if (st.st_size > static_cast<off_t>(kMaxConfigBytes)) {
    return BadConfig("the file", "is larger than 4 MiB");
  }
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  return ParseConfig(text, bundle);
}

}  // namespace vx::container
