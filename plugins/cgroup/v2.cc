#include "plugins/cgroup/v2.h"

#include <fcntl.h>

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"

namespace vx::cgroup {
namespace {

// What Stats reads.
const std::vector<std::string>& Accounted() {
  static const auto* all = new std::vector<std::string>{"memory", "cpu", "pids", "io"};
  return *all;
}

std::set<std::string> ReadNames(const std::string& path) {
  const std::string text = ReadFile(path).value_or("");
  return absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
}

absl::Status Add(const std::string& folder, const std::vector<std::string>& controllers) {
  std::string text;
  for (const std::string& name : controllers) {
    absl::StrAppend(&text, text.empty() ? "+" : " +", name);
  }
  return WriteToFile(absl::StrCat(folder, "/cgroup.subtree_control"), text);
}

}  // namespace

CgroupV2::CgroupV2(const CgroupLayout& layout, const std::string& path)
    : root_(layout.unified), group_(absl::StrCat(layout.unified, path)) {
  parent_ = group_.substr(0, group_.rfind('/'));
}

std::string CgroupV2::File(absl::string_view name) const { return absl::StrCat(group_, "/", name); }

absl::Status CgroupV2::Make(const CgroupLimits& limits) {
  VX_RETURN_IF_ERROR(MakeGroup(parent_, group_));
  VX_RETURN_IF_ERROR(Enable({}, Accounted()));
  return Apply(limits);
}

absl::Status CgroupV2::Enable(const Needs& needs, const std::vector<std::string>& extra) const {
  if (needs.empty() && extra.empty()) return absl::OkStatus();
  for (size_t end = root_.size(); end < group_.size();) {
    VX_RETURN_IF_ERROR(EnableIn(group_.substr(0, end), needs, extra));
    end = std::min(group_.find('/', end + 1), group_.size());
  }
  return absl::OkStatus();
}

absl::Status CgroupV2::EnableIn(const std::string& folder, const Needs& needs,
                                const std::vector<std::string>& extra) const {
  const std::set<std::string> there = ReadNames(folder + "/cgroup.controllers");
  const std::set<std::string> enabled = ReadNames(folder + "/cgroup.subtree_control");
  std::vector<std::string> needed, wanted;
  for (const auto& [name, limit] : needs) {
    if (enabled.contains(name)) continue;
    if (!there.contains(name)) {
      return LimitRefused({limit, name, ""}, absl::StrCat("the controller is not in ", folder),
                          "use a kernel that has it, or delegate it to that cgroup, or leave the "
                          "limit out");
    }
    needed.push_back(name);
  }
  for (const std::string& name : extra) {
    if (there.contains(name) && !enabled.contains(name) && !needs.contains(name)) {
      wanted.push_back(name);
    }
  }
  // Without what is only wanted there is less to see; that is all.
  if (!wanted.empty()) Add(folder, wanted).IgnoreError();
  if (needed.empty()) return absl::OkStatus();
  const absl::Status status = Add(folder, needed);
  if (status.ok()) return status;
  return LimitRefused(
      {needs.at(needed.front()), needed.front(), ""},
      absl::StrCat("the controller can't be enabled in ", folder, ": ", status.message()),
      "move processes out of that cgroup, or delegate the controllers to it");
}

absl::StatusOr<CgroupDoors> CgroupV2::OpenDoors() const {
  CgroupDoors doors;
  VX_ASSIGN_OR_RETURN(doors.into, OpenFile(group_, O_PATH | O_DIRECTORY));
  return doors;
}

absl::Status CgroupV2::Take(pid_t pid) {
  return WriteToFile(File("cgroup.procs"), absl::StrCat(pid));
}

absl::Status CgroupV2::Freeze(bool frozen) { return FreezeUnified(group_, frozen); }

bool CgroupV2::IsFrozen() const { return ReadNumber(File("cgroup.freeze")) == 1; }

absl::Status CgroupV2::Kill(absl::Duration timeout) { return KillUnified(group_, timeout); }

bool CgroupV2::Exists() const { return PathExists(group_); }

std::vector<pid_t> CgroupV2::Processes() const { return ReadProcesses(group_); }

absl::Status CgroupV2::Remove() { return RemoveGroup(group_); }

}  // namespace vx::cgroup
