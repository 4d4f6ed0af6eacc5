// "mounts" of config.json.
#include <sys/mount.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"

namespace vx::container {
namespace {

// Since Linux 5.10; the C library's header does not know it.
constexpr unsigned long kNoSymFollow = 256;

struct MountOption {
  absl::string_view name;
  unsigned long set;
  unsigned long clear;
};

// Of a mount; with an "r" before it also of those below.
constexpr MountOption kAttributes[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"noatime", MS_NOATIME, MS_STRICTATIME | MS_RELATIME},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, MS_STRICTATIME | MS_NOATIME},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, MS_RELATIME | MS_NOATIME},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"nosymfollow", kNoSymFollow, 0},
    {"symfollow", 0, kNoSymFollow},
};

// Of the filesystem, or of how it is mounted.
constexpr MountOption kOptions[] = {
    {"defaults", 0, 0},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"dirsync", MS_DIRSYNC, 0},
    {"lazytime", MS_LAZYTIME, 0},
    {"nolazytime", 0, MS_LAZYTIME},
    {"iversion", MS_I_VERSION, 0},
    {"noiversion", 0, MS_I_VERSION},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
};

struct Refused {
  absl::string_view name;
  const char* why;
};

constexpr Refused kRefused[] = {
    {"shared", "what is mounted inside can't be shown to the host"},
    {"rshared", "what is mounted inside can't be shown to the host"},
    {"tmpcopyup", "it is not supported"},
    {"remount", "every mount is a new one"},
};

struct Propagation {
  absl::string_view name;
  unsigned long flags;
};

constexpr Propagation kPropagations[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC}};

const MountOption* FindAttribute(absl::string_view name) {
  for (const MountOption& known : kAttributes) {
    if (known.name == name) return &known;
  }
  return nullptr;
}

void Take(const MountOption& option, unsigned long& flags, unsigned long& cleared) {
  flags = (flags & ~option.clear) | option.set;
  cleared = (cleared & ~option.set) | option.clear;
}

// False when it is none of the kernel's flags.
bool TakeFlag(const std::string& option, MountConfig& mount) {
  const absl::string_view name = option;
  if (const MountOption* own = FindAttribute(name)) {
    Take(*own, mount.flags, mount.cleared);
    return true;
  }
  const MountOption* below =
      name.empty() || name[0] != 'r' ? nullptr : FindAttribute(name.substr(1));
  if (below != nullptr) {
    Take(*below, mount.recursive_flags, mount.recursive_cleared);
    return true;
  }
  for (const MountOption& known : kOptions) {
    if (known.name != name) continue;
    mount.flags = (mount.flags & ~known.clear) | known.set;
    return true;
  }
  return false;
}

absl::Status TakeOption(const std::string& option, const std::string& where, MountConfig& mount) {
  for (const Refused& refused : kRefused) {
    if (refused.name != option) continue;
    return BadConfig(absl::StrCat(where, ".options"),
                     absl::StrCat("hold \"", option, "\": ", refused.why));
  }
  if (TakeFlag(option, mount)) return absl::OkStatus();
  if (option == "idmap" || option == "ridmap") {
    mount.maps_ids = true;
    mount.maps_ids_below = option == "ridmap";
    return absl::OkStatus();
  }
  for (const Propagation& known : kPropagations) {
    if (known.name != option) continue;
    mount.propagation = known.flags;
    return absl::OkStatus();
  }
  absl::StrAppend(&mount.data, mount.data.empty() ? "" : ",", option);
  return absl::OkStatus();
}

// In its shortest form; nothing may be mounted on the root itself, or by way of "..".
absl::Status CheckDestination(const std::string& where, std::string& destination) {
  const std::string field = absl::StrCat(where, ".destination");
  if (!destination.starts_with("/")) return BadConfig(field, "is not absolute");
  std::string plain;
  for (absl::string_view part : absl::StrSplit(destination, '/', absl::SkipEmpty())) {
    if (part == "..") return BadConfig(field, "holds \"..\"");
    if (part != ".") absl::StrAppend(&plain, "/", part);
  }
  if (plain.empty()) return BadConfig(field, "is the root itself");
  destination = std::move(plain);
  return absl::OkStatus();
}

// A tmpfs, cgroup or proc has no ids to map.
absl::Status CheckIds(const std::string& where, MountConfig& mount) {
  if (mount.uid_mappings.empty() != mount.gid_mappings.empty()) {
    return BadConfig(absl::StrCat(where, ".uidMappings"), "and gidMappings go together");
  }
  if (!mount.uid_mappings.empty()) mount.maps_ids = true;
  if (!mount.maps_ids || (mount.flags & MS_BIND) != 0) return absl::OkStatus();
  return BadConfig(absl::StrCat(where, ".options"), "map ids, which only a bind mount can");
}

absl::Status ParseMount(const Json& json, const std::string& where, MountConfig& mount) {
  std::vector<std::string> options;
  VX_RETURN_IF_ERROR(GetString(json, "destination", where, mount.destination));
  VX_RETURN_IF_ERROR(GetString(json, "type", where, mount.type));
  VX_RETURN_IF_ERROR(GetString(json, "source", where, mount.source));
  VX_RETURN_IF_ERROR(GetString(json, "vx.subpath", where, mount.subpath));
  VX_RETURN_IF_ERROR(GetBool(json, "vx.copyUp", where, mount.copies_up));
  VX_RETURN_IF_ERROR(GetStrings(json, "options", where, options));
  VX_RETURN_IF_ERROR(ParseMappings(json, "uidMappings", where, mount.uid_mappings));
  VX_RETURN_IF_ERROR(ParseMappings(json, "gidMappings", where, mount.gid_mappings));
  VX_RETURN_IF_ERROR(CheckDestination(where, mount.destination));
  for (const std::string& option : options) {
    VX_RETURN_IF_ERROR(TakeOption(option, where, mount));
  }
  if (mount.type == "bind") mount.flags |= MS_BIND;
  VX_RETURN_IF_ERROR(CheckIds(where, mount));
  if ((mount.flags & MS_BIND) == 0) {
    return mount.type.empty() ? BadConfig(absl::StrCat(where, ".type"), "is missing")
                              : absl::OkStatus();
  }
  return mount.source.starts_with("/")
             ? absl::OkStatus()
             : BadConfig(absl::StrCat(where, ".source"), "is not absolute");
}

}  // namespace

std::vector<std::string> MountOptionNames() {
  std::vector<std::string> names = {"idmap", "ridmap"};
  for (const MountOption& option : kAttributes) {
    names.emplace_back(option.name);
    names.push_back(absl::StrCat("r", option.name));
  }
  for (const MountOption& option : kOptions) names.emplace_back(option.name);
  for (const Propagation& option : kPropagations) names.emplace_back(option.name);
  std::sort(names.begin(), names.end());
  return names;
}

absl::Status ParseMounts(const Json& root, std::vector<MountConfig>& mounts) {
  return ForEach(root, "mounts", "", [&](const Json& element, const std::string& name) {
    MountConfig mount;
    VX_RETURN_IF_ERROR(ParseMount(element, name, mount));
    mounts.push_back(std::move(mount));
    return absl::OkStatus();
  });
}

}  // namespace vx::container
