#include "plugins/container/runtime/config.h"

#include <sched.h>

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

uint32_t HostOfZero(const std::vector<IdMapping>& mappings) {
  for (const IdMapping& m : mappings) {
    if (m.container == 0) return m.host;
  }
  return 0;
}

absl::Status ParseAnnotations(const Json& json, Config& config) {
  const Json& object = Member(json, "annotations");
  if (object.is_null()) return absl::OkStatus();
  if (!object.is_object()) return BadConfig("annotations", "is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return BadConfig(absl::StrCat("annotations.", key), "is not a string");
    config.annotations[key] = value.get<std::string>();
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
  const Json& root = Member(json, "root");
  VX_RETURN_IF_ERROR(GetString(root, "path", "root", config.rootfs));
  VX_RETURN_IF_ERROR(GetBool(root, "readonly", "root", config.readonly_root));
  if (config.rootfs.empty() && !config.overlay) return BadConfig("root.path", "is missing");
  if (!config.rootfs.starts_with("/")) config.rootfs = absl::StrCat(bundle, "/", config.rootfs);
  return absl::OkStatus();
}

absl::Status CheckWhole(const Config& config) {
  const bool new_user = (config.new_namespaces & CLONE_NEWUSER) != 0;
  if ((config.new_namespaces & CLONE_NEWNS) == 0) {
    return BadConfig("linux.namespaces", "lacks a new mount namespace");
  }
  if ((config.new_namespaces & CLONE_NEWPID) == 0) {
    return BadConfig("linux.namespaces", "lacks a new pid namespace");
  }
  if (new_user && (config.uid_mappings.empty() || config.gid_mappings.empty())) {
    return BadConfig("linux.uidMappings and gidMappings", "are needed with a user namespace");
  }
  if (!config.hostname.empty() && (config.new_namespaces & CLONE_NEWUTS) == 0) {
    return BadConfig("hostname", "needs a new uts namespace");
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
  VX_RETURN_IF_ERROR(ParseProcess(Member(json, "process"), config.process));
  VX_RETURN_IF_ERROR(ParseMounts(json, config.mounts));
  VX_RETURN_IF_ERROR(ParseLinux(Member(json, "linux"), config));
  config.user = Annotation(config, kUser);
  config.seccomp_file = Annotation(config, kSeccomp);
  VX_RETURN_IF_ERROR(CheckWhole(config));
  return config;
}

}  // namespace

uint32_t Config::root_uid() const { return HostOfZero(uid_mappings); }
uint32_t Config::root_gid() const { return HostOfZero(gid_mappings); }

absl::StatusOr<Config> ParseConfig(absl::string_view text, const std::string& bundle) {
  const Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return BadConfig("the file", "is not JSON");
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
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(absl::StrCat(bundle, "/config.json")));
  return ParseConfig(text, bundle);
}

}  // namespace vx::container
