#include "plugins/cgroup/v1.h"

#include <fcntl.h>
#include <signal.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/files.h"

namespace vx::cgroup {
namespace {

constexpr absl::Duration kFreezeTimeout = absl::Seconds(10);

// Moves every process that is listed in `procs` to `group`: again until there is none left
// that wasn't there the time before, as a fork may escape one attempt.
absl::Status TakeAll(const std::string& procs, const std::string& group) {
  std::set<std::string> taken;
  for (bool more = true; more;) {
    more = false;
    VX_ASSIGN_OR_RETURN(std::string pids, ReadFile(procs));
    for (absl::string_view pid : absl::StrSplit(pids, '\n', absl::SkipEmpty())) {
      if (!taken.emplace(pid).second) continue;
      more = true;
      absl::Status status = WriteToFile(absl::StrCat(group, "/cgroup.procs"), pid);
      // It may have ended.
      if (!status.ok() && ReadFile(absl::StrCat("/proc/", pid, "/stat")).ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status CopyFile(const std::string& from, const std::string& to) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(from));
  return WriteToFile(to, content);
}

}  // namespace

std::string CgroupV1::File(const std::string& controller, absl::string_view name) const {
  auto it = layout_.controllers.find(controller);
  return it == layout_.controllers.end() ? "" : absl::StrCat(it->second, path_, "/", name);
}

std::string CgroupV1::UnifiedGroup() const {
  return layout_.unified.empty() ? "" : absl::StrCat(layout_.unified, path_);
}

std::vector<std::string> CgroupV1::Groups() const {
  std::vector<std::string> groups;
  for (const std::string& mount : layout_.Hierarchies())
    groups.push_back(absl::StrCat(mount, path_));
  if (!layout_.unified.empty()) groups.push_back(UnifiedGroup());
  return groups;
}

std::string CgroupV1::CpusetGroup() const {
  auto cpuset = layout_.controllers.find("cpuset");
  if (cpuset == layout_.controllers.end()) return "";
  for (const auto& [controller, mount] : layout_.controllers) {
    if (mount == cpuset->second && controller != "cpuset") return "";
  }
  return absl::StrCat(cpuset->second, path_);
}

std::vector<std::string> CgroupV1::MadeGroups() const {
  std::vector<std::string> groups = Groups();
  const std::string cpuset = CpusetGroup();
  if (!cpuset.empty() && !PathExists(cpuset)) std::erase(groups, cpuset);
  return groups;
}

absl::Status CgroupV1::Make(const CgroupLimits& limits) {
  const std::string spared = WantsCpuset(limits) ? "" : CpusetGroup();
  for (const std::string& mount : layout_.Hierarchies()) {
    if (absl::StrCat(mount, path_) != spared) VX_RETURN_IF_ERROR(MakeIn(mount));
  }
  if (!layout_.unified.empty()) VX_RETURN_IF_ERROR(MakeIn(layout_.unified));
  return Apply(limits);
}

absl::Status CgroupV1::MakeIn(const std::string& mount) const {
  const std::string group = absl::StrCat(mount, path_);
  VX_RETURN_IF_ERROR(MakeGroup(ParentOf(group), group));
  auto cpuset = layout_.controllers.find("cpuset");
  if (cpuset == layout_.controllers.end() || cpuset->second != mount) return absl::OkStatus();
  return InheritCpus(mount);
}

// A new group of cpuset has no cpus and takes nobody in. Whoever made the parent may
// not have come to give it its cpus yet, or may have been killed before.
absl::Status CgroupV1::InheritCpus(const std::string& mount) const {
  const std::string group = absl::StrCat(mount, path_);
  const std::string parent = ParentOf(group);
  for (absl::string_view name : {"/cpuset.cpus", "/cpuset.mems"}) {
    VX_ASSIGN_OR_RETURN(std::string parents, ReadFile(absl::StrCat(parent, name)));
    if (absl::StripAsciiWhitespace(parents).empty()) {
      VX_RETURN_IF_ERROR(CopyFile(absl::StrCat(mount, name), absl::StrCat(parent, name)));
    }
    VX_RETURN_IF_ERROR(CopyFile(absl::StrCat(parent, name), absl::StrCat(group, name)));
  }
  return absl::OkStatus();
}

absl::Status CgroupV1::JoinCpuset() const {
  const std::string group = CpusetGroup();
  if (group.empty() || PathExists(group)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(MakeIn(layout_.controllers.at("cpuset")));
  return TakeAll(absl::StrCat(Groups().back(), "/cgroup.procs"), group);
}

absl::StatusOr<CgroupDoors> CgroupV1::OpenDoors() const {
  CgroupDoors doors;
  for (const std::string& group : MadeGroups()) {
    if (group == UnifiedGroup()) {
      VX_ASSIGN_OR_RETURN(doors.into, OpenFile(group, O_PATH | O_DIRECTORY));
      continue;
    }
    VX_ASSIGN_OR_RETURN(UniqueFd tasks, OpenFile(absl::StrCat(group, "/tasks"), O_WRONLY));
    doors.tasks.push_back(std::move(tasks));
  }
  return doors;
}

absl::Status CgroupV1::Take(pid_t pid) {
  for (const std::string& group : MadeGroups()) {
    VX_RETURN_IF_ERROR(WriteToFile(absl::StrCat(group, "/cgroup.procs"), absl::StrCat(pid)));
  }
  return absl::OkStatus();
}

absl::Status CgroupV1::Freeze(bool frozen) {
  return layout_.unified.empty() ? FreezeV1(frozen) : FreezeUnified(UnifiedGroup(), frozen);
}

absl::Status CgroupV1::FreezeV1(bool frozen) const {
  const std::string file = File("freezer", "freezer.state");
  const absl::string_view wanted = frozen ? "FROZEN" : "THAWED";
  const absl::Time deadline = absl::Now() + kFreezeTimeout;
  if (file.empty()) {
    return Error(absl::StatusCode::kUnimplemented, "NO_FREEZER", "the host has no cgroup freezer",
                 "mount cgroup2 or the freezer hierarchy");
  }
  // Written again each time: a fork may escape one attempt.
  while (true) {
    VX_RETURN_IF_ERROR(WriteToFile(file, wanted));
    VX_ASSIGN_OR_RETURN(std::string state, ReadFile(file));
    if (absl::StripAsciiWhitespace(state) == wanted) return absl::OkStatus();
    if (absl::Now() > deadline)
      return absl::DeadlineExceededError(absl::StrCat(file, " is ", state));
    absl::SleepFor(absl::Milliseconds(1));
  }
}

bool CgroupV1::IsFrozen() const {
  if (!layout_.unified.empty()) {
    return ReadNumber(absl::StrCat(UnifiedGroup(), "/cgroup.freeze")) == 1;
  }
  auto state = ReadFile(File("freezer", "freezer.state"));
  return state.ok() && absl::StripAsciiWhitespace(*state) != "THAWED";
}

absl::Status CgroupV1::Kill(absl::Duration timeout) {
  if (layout_.unified.empty()) return KillV1(timeout);
  return KillUnified(UnifiedGroup(), timeout);
}

absl::Status CgroupV1::KillV1(absl::Duration timeout) const {
  const absl::Time deadline = absl::Now() + timeout;
  if (!Exists()) return absl::OkStatus();
  if (IsFrozen()) VX_RETURN_IF_ERROR(FreezeV1(false));
  const std::string procs = absl::StrCat(Groups().front(), "/cgroup.procs");
  while (true) {
    VX_ASSIGN_OR_RETURN(std::string pids, ReadFile(procs));
    if (pids.empty()) return absl::OkStatus();
    for (absl::string_view text : absl::StrSplit(pids, '\n', absl::SkipEmpty())) {
      int pid = 0;
      if (absl::SimpleAtoi(text, &pid) && pid > 0) kill(pid, SIGKILL);
    }
    if (absl::Now() > deadline)
      return absl::DeadlineExceededError(absl::StrCat(procs, " is not empty"));
    absl::SleepFor(absl::Milliseconds(1));
  }
}

bool CgroupV1::Exists() const {
  const std::vector<std::string> groups = Groups();
  return !groups.empty() && PathExists(groups.back());
}

std::vector<pid_t> CgroupV1::Processes() const {
  return Exists() ? ReadProcesses(Groups().front()) : std::vector<pid_t>();
}

absl::Status CgroupV1::Remove() {
  absl::Status first;
  for (const std::string& group : Groups()) first.Update(RemoveGroup(group));
  return first;
}

}  // namespace vx::cgroup
