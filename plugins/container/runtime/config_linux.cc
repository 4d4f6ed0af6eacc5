// "linux" of config.json.
#include <sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

namespace vx::container {
namespace {

struct NamespaceType {
  absl::string_view name;
  int flag;
};

constexpr NamespaceType kNamespaces[] = {{"pid", CLONE_NEWPID},       {"network", CLONE_NEWNET},
                                         {"mount", CLONE_NEWNS},      {"ipc", CLONE_NEWIPC},
                                         {"uts", CLONE_NEWUTS},       {"user", CLONE_NEWUSER},
                                         {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME}};

bool Has(const Config& config, int flag) {
  const auto& joined = config.joined_namespaces;
  return (config.new_namespaces & flag) != 0 ||
         std::any_of(joined.begin(), joined.end(), [&](const auto& ns) { return ns.flag == flag; });
}

absl::Status ParseNamespace(const Json& json, const std::string& where, Config& config) {
  std::string type, path;
  VX_RETURN_IF_ERROR(GetString(json, "type", where, type));
  VX_RETURN_IF_ERROR(GetString(json, "path", where, path));
  for (const NamespaceType& known : kNamespaces) {
    if (known.name != type) continue;
    if (Has(config, known.flag)) {
      return BadConfig(absl::StrCat(where, ".type"), absl::StrCat("repeats \"", type, "\""));
    }
    if (!path.empty() && (known.flag & (CLONE_NEWUSER | CLONE_NEWNS)) != 0) {
      return BadConfig(absl::StrCat(where, ".path"),
                       absl::StrCat("names a ", type, " namespace, which can't be joined"));
    }
    if (path.empty()) {
      config.new_namespaces |= known.flag;
    } else {
      config.joined_namespaces.push_back({known.flag, path});
    }
    return absl::OkStatus();
  }
  return BadConfig(absl::StrCat(where, ".type"),
                   absl::StrCat("is \"", type, "\", which is not supported"));
}

struct SysctlFamily {
  // One that ends in a dot is all below it.
  absl::string_view name;
  int flag;
  const char* type;
};

constexpr SysctlFamily kSysctls[] = {
    {"net.", CLONE_NEWNET, "network"},          {"fs.mqueue.", CLONE_NEWIPC, "ipc"},
    {"kernel.msgmax", CLONE_NEWIPC, "ipc"},     {"kernel.msgmnb", CLONE_NEWIPC, "ipc"},
    {"kernel.msgmni", CLONE_NEWIPC, "ipc"},     {"kernel.sem", CLONE_NEWIPC, "ipc"},
    {"kernel.shmall", CLONE_NEWIPC, "ipc"},     {"kernel.shmmax", CLONE_NEWIPC, "ipc"},
    {"kernel.shmmni", CLONE_NEWIPC, "ipc"},     {"kernel.shm_rmid_forced", CLONE_NEWIPC, "ipc"},
    {"kernel.domainname", CLONE_NEWUTS, "uts"},
};

struct RootPropagation {
  absl::string_view name;
  unsigned long flags;
};

constexpr RootPropagation kRootPropagations[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC}};

absl::Status DeviceType(const std::string& type, const std::string& where, mode_t& mode) {
  if (type == "c" || type == "u")
    mode = S_IFCHR;
  else if (type == "b")
    mode = S_IFBLK;
  else if (type == "p")
    mode = S_IFIFO;
  else
    return BadConfig(absl::StrCat(where, ".type"), "is none of c, u, b and p");
  return absl::OkStatus();
}

absl::Status ParseDevice(const Json& json, const std::string& where, DeviceConfig& device) {
  std::string type;
  uint32_t mode = 0666;
  VX_RETURN_IF_ERROR(GetString(json, "path", where, device.path));
  VX_RETURN_IF_ERROR(GetString(json, "type", where, type));
  VX_RETURN_IF_ERROR(DeviceType(type, where, device.type));
  VX_RETURN_IF_ERROR(GetId(json, "major", where, device.major));
  VX_RETURN_IF_ERROR(GetId(json, "minor", where, device.minor));
  VX_RETURN_IF_ERROR(GetId(json, "fileMode", where, mode));
  VX_RETURN_IF_ERROR(GetId(json, "uid", where, device.uid));
  VX_RETURN_IF_ERROR(GetId(json, "gid", where, device.gid));
  device.mode = mode & 07777;
  // They are made in our own /dev before the rest of the root is there.
  if (!device.path.starts_with("/dev/")) {
    return BadConfig(absl::StrCat(where, ".path"), "is not below /dev");
  }
  for (absl::string_view part : absl::StrSplit(absl::string_view(device.path).substr(1), '/')) {
    if (!part.empty() && part != "." && part != "..") continue;
    return BadConfig(absl::StrCat(where, ".path"), "is not in its shortest form");
  }
  return absl::OkStatus();
}

absl::Status ParseSysctl(const Json& json, std::map<std::string, std::string>& sysctl) {
  const Json& object = Member(json, "sysctl");
  if (object.is_null()) return absl::OkStatus();
  if (!object.is_object()) return BadConfig("linux.sysctl", "is not an object");
  for (const auto& [key, value] : object.items()) {
    const absl::string_view bytes = key;
    if (!value.is_string() || bytes.find("..") != absl::string_view::npos ||
        bytes.find('\0') != absl::string_view::npos) {
      return BadConfig(absl::StrCat("linux.sysctl.", key), "is not a sysctl with a string");
    }
    VX_RETURN_IF_ERROR(GetString(object, key.c_str(), "linux.sysctl", sysctl[key]));
  }
  return absl::OkStatus();
}

absl::Status ParseCgroupsPath(const Json& json, Config& config) {
  std::string& path = config.cgroups_path;
  VX_RETURN_IF_ERROR(GetString(json, "cgroupsPath", "linux", path));
  if (path.empty()) return absl::OkStatus();
  if (path.find("..") != std::string::npos) return BadConfig("linux.cgroupsPath", "holds \"..\"");
  if (path.front() != '/') path.insert(0, "/");
  return absl::OkStatus();
}

absl::Status ParseRootPropagation(const Json& json, Config& config) {
  std::string name;
  VX_RETURN_IF_ERROR(GetString(json, "rootfsPropagation", "linux", name));
  if (name.empty()) return absl::OkStatus();
  for (const RootPropagation& known : kRootPropagations) {
    if (known.name != name) continue;
    config.root_propagation = known.flags;
    return absl::OkStatus();
  }
  return BadConfig("linux.rootfsPropagation",
                   absl::StrCat("is \"", name, "\", which is not supported"));
}

absl::Status ParsePersonality(const Json& json, Config& config) {
  std::string domain;
  VX_RETURN_IF_ERROR(CheckObject(json, "personality", "linux"));
  const Json& personality = Member(json, "personality");
  if (personality.is_null()) return absl::OkStatus();
  VX_RETURN_IF_ERROR(GetString(personality, "domain", "linux.personality", domain));
  const Json& flags = Member(personality, "flags");
  if (!flags.is_null() && !(flags.is_array() && flags.empty())) {
    return BadConfig("linux.personality.flags", "are not supported");
  }
  if (domain != "LINUX" && domain != "LINUX32") {
    return BadConfig("linux.personality.domain", "is neither LINUX nor LINUX32");
  }
  config.personality = domain == "LINUX32" ? PER_LINUX32 : PER_LINUX;
  return absl::OkStatus();
}

// What would have to be honoured and can't be.
absl::Status RefuseRest(const Json& json) {
  std::string label;
  VX_RETURN_IF_ERROR(GetString(json, "mountLabel", "linux", label));
  if (!label.empty()) return BadConfig("linux.mountLabel", "is not supported");
  for (const char* key : {"timeOffsets", "intelRdt"}) {
    const Json& member = Member(json, key);
    if (member.is_null() || (member.is_object() && member.empty())) continue;
    return BadConfig(absl::StrCat("linux.", key), "is not supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseMappings(const Json& json, const char* key, const std::string& where,
                           std::vector<IdMapping>& mappings) {
  return ForEach(json, key, where, [&](const Json& element, const std::string& name) {
    IdMapping mapping;
    VX_RETURN_IF_ERROR(GetId(element, "containerID", name, mapping.container));
    VX_RETURN_IF_ERROR(GetId(element, "hostID", name, mapping.host));
    VX_RETURN_IF_ERROR(GetId(element, "size", name, mapping.size));
    if (mapping.size == 0) return BadConfig(absl::StrCat(name, ".size"), "is 0 or missing");
    mappings.push_back(mapping);
    return absl::OkStatus();
  });
}

absl::Status CheckSysctl(const std::string& key, int own_namespaces) {
  std::string name = key;
  if (name.find('/') != std::string::npos) std::replace(name.begin(), name.end(), '/', '.');
  for (const SysctlFamily& family : kSysctls) {
    const bool prefix = absl::EndsWith(family.name, ".");
    if (prefix ? !name.starts_with(std::string(family.name)) : name != family.name) continue;
    if ((own_namespaces & family.flag) != 0) return absl::OkStatus();
    return BadConfig(absl::StrCat("linux.sysctl.", key),
                     absl::StrCat("needs a namespace of type ", family.type));
  }
  return BadConfig(absl::StrCat("linux.sysctl.", key), "is the whole host's");
}

absl::Status ParseLinux(const Json& json, Config& config) {
  auto parse_namespace = [&](const Json& element, const std::string& name) {
    return ParseNamespace(element, name, config);
  };
  auto parse_device = [&](const Json& element, const std::string& name) {
    config.devices.emplace_back();
    return ParseDevice(element, name, config.devices.back());
  };
  VX_RETURN_IF_ERROR(ForEach(json, "namespaces", "linux", parse_namespace));
  VX_RETURN_IF_ERROR(ParseMappings(json, "uidMappings", "linux", config.uid_mappings));
  VX_RETURN_IF_ERROR(ParseMappings(json, "gidMappings", "linux", config.gid_mappings));
  VX_RETURN_IF_ERROR(ParseCgroupsPath(json, config));
  VX_RETURN_IF_ERROR(ParseRootPropagation(json, config));
  VX_RETURN_IF_ERROR(ParsePersonality(json, config));
  VX_RETURN_IF_ERROR(RefuseRest(json));
  VX_RETURN_IF_ERROR(CheckObject(json, "resources", "linux"));
  VX_RETURN_IF_ERROR(CheckObject(json, "seccomp", "linux"));
  VX_RETURN_IF_ERROR(ParseResources(Member(json, "resources"), config.limits));
  VX_RETURN_IF_ERROR(ForEach(json, "devices", "linux", parse_device));
  VX_RETURN_IF_ERROR(GetStrings(json, "maskedPaths", "linux", config.masked_paths));
  VX_RETURN_IF_ERROR(GetStrings(json, "readonlyPaths", "linux", config.readonly_paths));
  VX_RETURN_IF_ERROR(ParseSysctl(json, config.sysctl));
  config.seccomp = Member(json, "seccomp");
  return absl::OkStatus();
}

}  // namespace vx::container
