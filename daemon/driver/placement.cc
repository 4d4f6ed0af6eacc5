#include "daemon/driver/placement.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::driver {
namespace {

constexpr char kProcs[] = "/cgroup.procs";
constexpr char kOwnOomScore[] = "/proc/self/oom_score_adj";
constexpr absl::Duration kRemoveTimeout = absl::Seconds(2);
constexpr int kAttempts = 100;

// A process that was reaped leaves its group a moment later, and nothing says when.
bool RemoveSoon(const std::string& group) {
  const absl::Time deadline = absl::Now() + kRemoveTimeout;
  while (rmdir(group.c_str()) < 0) {
    if (errno == ENOENT) return true;
    if (errno != EBUSY || absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace

std::string CgroupParent(const Environment& environment, const std::string& root) {
  if (!PathExists(absl::StrCat(root, "/cgroup.controllers"))) return "";
  std::string parent = environment.Option("daemon.cgroup_parent");
  return parent == "/" ? "" : parent;
}

ProcessGroups::ProcessGroups(const Environment& environment, const std::string& role,
                             const std::string& root)
    : name_(absl::StrCat("vx-", environment.instance_id, "-", role)) {
  const std::string parent = CgroupParent(environment, root);
  if (parent.empty()) return;
  parent_ = absl::StrCat(root, parent, "/", name_);
}

std::string ProcessGroups::Group(const std::string& uid) const {
  return absl::StrCat(parent_, "/", uid);
}

absl::StatusOr<std::string> ProcessGroups::Make(const std::string& uid) const {
  if (parent_.empty()) return std::string();
  const std::string group = Group(uid);
  // The end of another workload may take the empty parent away in between.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (mkdir(group.c_str(), 0755) == 0 || errno == EEXIST) return absl::StrCat(group, kProcs);
    if (errno != ENOENT) break;
    if (mkdir(parent_.c_str(), 0755) < 0 && errno != EEXIST) break;
  }
  return Error(absl::StatusCode::kFailedPrecondition, "NO_CGROUP",
               ErrnoError(errno, absl::StrCat("make cgroup ", group)).message(),
               "daemon.cgroup_parent must be there; under systemd: systemctl restart vxd");
}

absl::Status ProcessGroups::Move(const std::string& uid, pid_t pid) const {
  VX_ASSIGN_OR_RETURN(std::string procs, Make(uid));
  return procs.empty() ? absl::OkStatus() : WriteToFile(procs, absl::StrCat(pid));
}

absl::Status ProcessGroups::Remove(const std::string& uid) const {
  if (parent_.empty()) return absl::OkStatus();
  if (!RemoveSoon(Group(uid))) {
    return ErrnoError(errno, absl::StrCat("remove cgroup ", Group(uid)));
  }
  rmdir(parent_.c_str());
  return absl::OkStatus();
}

int WorkloadOomScore() {
  int own = 0;
  auto text = ReadFile(kOwnOomScore);
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &own)) return 0;
  return std::max(0, own);
}

void ResetOomScore(pid_t pid) {
  WriteToFile(absl::StrCat("/proc/", pid, "/oom_score_adj"), absl::StrCat(WorkloadOomScore()))
      .IgnoreError();
}

}  // namespace vx::driver
