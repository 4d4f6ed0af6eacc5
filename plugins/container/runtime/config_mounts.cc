// "mounts" of config.json.
#include <sys/mount.h>

#include <iterator>

#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"

namespace vx::container {
namespace {

struct MountOption {
  absl::string_view name;
  unsigned long set;
  unsigned long clear;
};

constexpr MountOption kOptions[] = {
    {"defaults", 0, 0},
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"sync", MS_SYNCHRONOUS, 0},
    {"async", 0, MS_SYNCHRONOUS},
    {"noatime", MS_NOATIME, 0},
    {"atime", 0, MS_NOATIME},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    {"relatime", MS_RELATIME, 0},
    {"norelatime", 0, MS_RELATIME},
    {"strictatime", MS_STRICTATIME, 0},
    {"nostrictatime", 0, MS_STRICTATIME},
    {"bind", MS_BIND, 0},
    {"rbind", MS_BIND | MS_REC, 0},
};

struct Propagation {
  absl::string_view name;
  unsigned long flags;
};

constexpr Propagation kPropagations[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC}};

void TakeOption(const std::string& option, MountConfig& mount) {
  for (const MountOption& known : kOptions) {
    if (known.name != option) continue;
    mount.flags = (mount.flags & ~known.clear) | known.set;
    return;
  }
  for (const Propagation& known : kPropagations) {
    if (known.name != option) continue;
    mount.propagation = known.flags;
    return;
  }
  absl::StrAppend(&mount.data, mount.data.empty() ? "" : ",", option);
}

absl::Status ParseMount(const Json& json, const std::string& where, MountConfig& mount) {
  std::vector<std::string> options;
  VX_RETURN_IF_ERROR(GetString(json, "destination", where, mount.destination));
  VX_RETURN_IF_ERROR(GetString(json, "type", where, mount.type));
  VX_RETURN_IF_ERROR(GetString(json, "source", where, mount.source));
  VX_RETURN_IF_ERROR(GetStrings(json, "options", where, options));
  if (!mount.destination.starts_with("/")) {
    return BadConfig(absl::StrCat(where, ".destination"), "is not absolute");
  }
  for (const std::string& option : options) TakeOption(option, mount);
  if (mount.type == "bind") mount.flags |= MS_BIND;
  if ((mount.flags & MS_BIND) == 0) {
    return mount.type.empty() ? BadConfig(absl::StrCat(where, ".type"), "is missing")
                              : absl::OkStatus();
  }
  return mount.source.starts_with("/")
             ? absl::OkStatus()
             : BadConfig(absl::StrCat(where, ".source"), "is not absolute");
}

}  // namespace

absl::Status ParseMounts(const Json& root, std::vector<MountConfig>& mounts) {
  return ForEach(root, "mounts", "", [&](const Json& element, const std::string& name) {
    MountConfig mount;
    VX_RETURN_IF_ERROR(ParseMount(element, name, mount));
    mounts.push_back(std::move(mount));
    return absl::OkStatus();
  });
}

}  // namespace vx::container
