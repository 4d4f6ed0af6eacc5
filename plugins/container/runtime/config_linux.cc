// "linux" of config.json.
#include <sched.h>
#include <sys/stat.h>

#include "absl/strings/str_cat.h"
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

constexpr NamespaceType kNamespaces[] = {{"pid", CLONE_NEWPID},      {"network", CLONE_NEWNET},
                                         {"mount", CLONE_NEWNS},     {"ipc", CLONE_NEWIPC},
                                         {"uts", CLONE_NEWUTS},      {"user", CLONE_NEWUSER},
                                         {"cgroup", CLONE_NEWCGROUP}};

absl::Status ParseNamespace(const Json& json, const std::string& where, Config& config) {
  std::string type, path;
  VX_RETURN_IF_ERROR(GetString(json, "type", where, type));
  VX_RETURN_IF_ERROR(GetString(json, "path", where, path));
  for (const NamespaceType& known : kNamespaces) {
    if (known.name != type) continue;
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

absl::Status ParseMappings(const Json& json, const char* key, std::vector<IdMapping>& mappings) {
  return ForEach(json, key, "linux", [&](const Json& element, const std::string& name) {
    IdMapping mapping;
    VX_RETURN_IF_ERROR(GetId(element, "containerID", name, mapping.container));
    VX_RETURN_IF_ERROR(GetId(element, "hostID", name, mapping.host));
    VX_RETURN_IF_ERROR(GetId(element, "size", name, mapping.size));
    if (mapping.size == 0) return BadConfig(absl::StrCat(name, ".size"), "is 0 or missing");
    mappings.push_back(mapping);
    return absl::OkStatus();
  });
}

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
  const bool plain = device.path.starts_with("/dev/") &&
                     device.path.find('/', 5) == std::string::npos && device.path.size() > 5;
  return plain ? absl::OkStatus()
               : BadConfig(absl::StrCat(where, ".path"), "is not directly below /dev");
}

absl::Status ParseSysctl(const Json& json, std::map<std::string, std::string>& sysctl) {
  const Json& object = Member(json, "sysctl");
  if (object.is_null()) return absl::OkStatus();
  if (!object.is_object()) return BadConfig("linux.sysctl", "is not an object");
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string() || key.find("..") != std::string::npos) {
      return BadConfig(absl::StrCat("linux.sysctl.", key), "is not a sysctl with a string");
    }
    sysctl[key] = value.get<std::string>();
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

}  // namespace

absl::Status ParseLinux(const Json& json, Config& config) {
  auto parse_namespace = [&](const Json& element, const std::string& name) {
    return ParseNamespace(element, name, config);
  };
  auto parse_device = [&](const Json& element, const std::string& name) {
    config.devices.emplace_back();
    return ParseDevice(element, name, config.devices.back());
  };
  VX_RETURN_IF_ERROR(ForEach(json, "namespaces", "linux", parse_namespace));
  VX_RETURN_IF_ERROR(ParseMappings(json, "uidMappings", config.uid_mappings));
  VX_RETURN_IF_ERROR(ParseMappings(json, "gidMappings", config.gid_mappings));
  VX_RETURN_IF_ERROR(ParseCgroupsPath(json, config));
  VX_RETURN_IF_ERROR(ParseResources(Member(json, "resources"), config.limits));
  VX_RETURN_IF_ERROR(ForEach(json, "devices", "linux", parse_device));
  VX_RETURN_IF_ERROR(GetStrings(json, "maskedPaths", "linux", config.masked_paths));
  VX_RETURN_IF_ERROR(GetStrings(json, "readonlyPaths", "linux", config.readonly_paths));
  VX_RETURN_IF_ERROR(ParseSysctl(json, config.sysctl));
  config.seccomp = Member(json, "seccomp");
  return absl::OkStatus();
}

}  // namespace vx::container
