// "process" of config.json.
#include <sys/resource.h>

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config_parts.h"

namespace vx::container {
namespace {

constexpr int64_t kMaxOomScore = 1000;

struct RlimitName {
  absl::string_view name;
  int resource;
};

constexpr RlimitName kRlimits[] = {{"RLIMIT_AS", RLIMIT_AS},
                                   {"RLIMIT_CORE", RLIMIT_CORE},
                                   {"RLIMIT_CPU", RLIMIT_CPU},
                                   {"RLIMIT_DATA", RLIMIT_DATA},
                                   {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                   {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                   {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                   {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                   {"RLIMIT_NICE", RLIMIT_NICE},
                                   {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                   {"RLIMIT_NPROC", RLIMIT_NPROC},
                                   {"RLIMIT_RSS", RLIMIT_RSS},
                                   {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                   {"RLIMIT_RTTIME", RLIMIT_RTTIME},
                                   {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                                   {"RLIMIT_STACK", RLIMIT_STACK}};

absl::Status ParseCapabilitySet(const Json& json, const char* key, uint64_t& bits) {
  std::vector<std::string> names;
  VX_RETURN_IF_ERROR(GetStrings(json, key, "process.capabilities", names));
  for (const std::string& name : names) {
    const int number = CapabilityNumber(name);
    if (number < 0) {
      return BadConfig(absl::StrCat("process.capabilities.", key),
                       absl::StrCat("names \"", name, "\", which is no capability"));
    }
    bits |= uint64_t{1} << number;
  }
  return absl::OkStatus();
}

absl::Status ParseCapabilities(const Json& json, Capabilities& capabilities) {
  VX_RETURN_IF_ERROR(ParseCapabilitySet(json, "bounding", capabilities.bounding));
  VX_RETURN_IF_ERROR(ParseCapabilitySet(json, "effective", capabilities.effective));
  VX_RETURN_IF_ERROR(ParseCapabilitySet(json, "permitted", capabilities.permitted));
  VX_RETURN_IF_ERROR(ParseCapabilitySet(json, "inheritable", capabilities.inheritable));
  return ParseCapabilitySet(json, "ambient", capabilities.ambient);
}

absl::Status ParseRlimit(const Json& json, const std::string& where, Rlimit& rlimit) {
  int64_t soft = 0, hard = 0;
  VX_RETURN_IF_ERROR(GetString(json, "type", where, rlimit.name));
  VX_RETURN_IF_ERROR(GetInt(json, "soft", where, soft));
  VX_RETURN_IF_ERROR(GetInt(json, "hard", where, hard));
  // "No limit" is the largest unsigned number, which is -1 here.
  rlimit.soft = static_cast<uint64_t>(soft);
  rlimit.hard = static_cast<uint64_t>(hard);
  for (const RlimitName& known : kRlimits) {
    if (known.name != rlimit.name) continue;
    rlimit.resource = known.resource;
    return absl::OkStatus();
  }
  return BadConfig(absl::StrCat(where, ".type"),
                   absl::StrCat("is \"", rlimit.name, "\", which is no rlimit"));
}

absl::Status ParseUser(const Json& json, ProcessConfig& process) {
  VX_RETURN_IF_ERROR(GetId(json, "uid", "process.user", process.uid));
  VX_RETURN_IF_ERROR(GetId(json, "gid", "process.user", process.gid));
  if (!Member(json, "umask").is_null()) {
    uint32_t mask = 0;
    VX_RETURN_IF_ERROR(GetId(json, "umask", "process.user", mask));
    process.umask = mask & 0777;
  }
  return ForEach(json, "additionalGids", "process.user",
                 [&](const Json& element, const std::string& name) {
                   if (!element.is_number_unsigned() || element.get<uint64_t>() >= UINT32_MAX) {
                     return BadConfig(name, "is not a group id");
                   }
                   process.additional_gids.push_back(element.get<gid_t>());
                   return absl::OkStatus();
                 });
}

absl::Status ParseConsoleSize(const Json& json, ProcessConfig& process) {
  constexpr uint32_t kMost = 65535;
  uint32_t columns = 0, rows = 0;
  VX_RETURN_IF_ERROR(GetId(json, "width", "process.consoleSize", columns));
  VX_RETURN_IF_ERROR(GetId(json, "height", "process.consoleSize", rows));
  process.terminal_columns = static_cast<uint16_t>(std::min(columns, kMost));
  process.terminal_rows = static_cast<uint16_t>(std::min(rows, kMost));
  return absl::OkStatus();
}

absl::Status ParseRlimits(const Json& json, std::vector<Rlimit>& rlimits) {
  return ForEach(json, "rlimits", "process", [&](const Json& element, const std::string& name) {
    Rlimit rlimit;
    VX_RETURN_IF_ERROR(ParseRlimit(element, name, rlimit));
    for (const Rlimit& other : rlimits) {
      if (other.resource != rlimit.resource) continue;
      return BadConfig(absl::StrCat(name, ".type"), absl::StrCat("repeats ", rlimit.name));
    }
    rlimits.push_back(std::move(rlimit));
    return absl::OkStatus();
  });
}

absl::Status ParseOomScore(const Json& json, ProcessConfig& process) {
  int64_t score = 0;
  if (Member(json, "oomScoreAdj").is_null()) return absl::OkStatus();
  VX_RETURN_IF_ERROR(GetInt(json, "oomScoreAdj", "process", score));
  if (score < -kMaxOomScore || score > kMaxOomScore) {
    return BadConfig("process.oomScoreAdj", "is not between -1000 and 1000");
  }
  process.oom_score_adj = static_cast<int>(score);
  return absl::OkStatus();
}

// What would have to be honoured and can't be.
absl::Status RefuseRest(const Json& json) {
  std::string label;
  VX_RETURN_IF_ERROR(GetString(json, "selinuxLabel", "process", label));
  if (!label.empty()) return BadConfig("process.selinuxLabel", "is not supported");
  for (const char* key : {"ioPriority", "scheduler"}) {
    if (Member(json, key).is_null()) continue;
    return BadConfig(absl::StrCat("process.", key), "is not supported");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseProcess(const Json& json, ProcessConfig& process) {
  if (!json.is_object()) return BadConfig("process", "is missing or not an object");
  VX_RETURN_IF_ERROR(GetBool(json, "terminal", "process", process.terminal));
  VX_RETURN_IF_ERROR(ParseConsoleSize(Member(json, "consoleSize"), process));
  VX_RETURN_IF_ERROR(GetStrings(json, "args", "process", process.args));
  if (process.args.empty()) return BadConfig("process.args", "names no command");
  VX_RETURN_IF_ERROR(GetStrings(json, "env", "process", process.env));
  VX_RETURN_IF_ERROR(GetString(json, "cwd", "process", process.cwd));
  if (!process.cwd.starts_with("/")) return BadConfig("process.cwd", "is not absolute");
  VX_RETURN_IF_ERROR(CheckObject(json, "user", "process"));
  VX_RETURN_IF_ERROR(CheckObject(json, "capabilities", "process"));
  VX_RETURN_IF_ERROR(ParseUser(Member(json, "user"), process));
  VX_RETURN_IF_ERROR(GetBool(json, "noNewPrivileges", "process", process.no_new_privileges));
  VX_RETURN_IF_ERROR(ParseCapabilities(Member(json, "capabilities"), process.capabilities));
  VX_RETURN_IF_ERROR(ParseOomScore(json, process));
  VX_RETURN_IF_ERROR(GetString(json, "apparmorProfile", "process", process.apparmor));
  VX_RETURN_IF_ERROR(RefuseRest(json));
  return ParseRlimits(json, process.rlimits);
}

}  // namespace vx::container
