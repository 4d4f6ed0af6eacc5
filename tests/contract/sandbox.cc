#include "tests/contract/sandbox.h"

#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/id_ranges.h"
#include "tests/contract/cgroups.h"

namespace vx::contract {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(5);

absl::Status BringUpLoopback() {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request = {};
  strcpy(request.ifr_name, "lo");
  request.ifr_flags = IFF_UP;
  if (ioctl(fd.get(), SIOCSIFFLAGS, &request) < 0) return ErrnoError(errno, "bring lo up");
  return absl::OkStatus();
}

std::vector<std::string> LinesOf(const std::string& path) {
  return absl::StrSplit(ReadFile(path).value_or(""), '\n', absl::SkipEmpty());
}

// Waits for those that are on their way out, and reaps them; all are ours, as the
// driver that would have is gone.
void ReapChildren() {
  const absl::Time deadline = absl::Now() + kPatience;
  while (absl::Now() < deadline) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid < 0) return;
    if (pid == 0) absl::SleepFor(absl::Milliseconds(10));
  }
}

std::vector<int> Children() {
  std::vector<int> pids;
  for (const std::string& task : ListDir("/proc/self/task").value_or(std::vector<std::string>())) {
    const std::string children =
        ReadFile(absl::StrCat("/proc/self/task/", task, "/children")).value_or("");
    for (absl::string_view text : absl::StrSplit(children, ' ', absl::SkipWhitespace())) {
      int pid = 0;
      if (absl::SimpleAtoi(text, &pid)) pids.push_back(pid);
    }
  }
  return pids;
}

// By pid: what is not an orphan has somebody who waits for it.
void ReapQemus() {
  for (int pid : Children()) {
    const std::string name = ReadFile(absl::StrCat("/proc/", pid, "/comm")).value_or("");
    if (absl::StartsWith(name, "qemu-system")) waitpid(pid, nullptr, WNOHANG);
  }
}

}  // namespace

absl::Status BecomeSubreaper() {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0) return ErrnoError(errno, "become subreaper");
  return absl::OkStatus();
}

absl::Status EnterSandbox() {
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) return ErrnoError(errno, "unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) {
    return ErrnoError(errno, "make / private");
  }
  VX_RETURN_IF_ERROR(BringUpLoopback());
  return BecomeSubreaper();
}

std::set<leftovers::Finding> LookAround() {
  leftovers::Scope scope;
  scope.here = true;
  return Look(scope).findings;
}

std::vector<std::string> FindLeftovers(const std::string& work_dir, const std::string& instance_id,
                                       const std::optional<std::set<leftovers::Finding>>& before) {
  ReapChildren();
  leftovers::Scope scope;
  // State, runtime and images are all in it.
  scope.instance = {.state_dir = work_dir, .runtime_dir = work_dir, .id = instance_id};
  scope.children = true;
  scope.here = before.has_value();
  return LookAfter(scope, before.value_or(std::set<leftovers::Finding>()),
                   absl::ToChronoMilliseconds(kPatience))
      .Lines();
}

void SweepInstance(const std::string& instance_id) {
  RemoveCgroupsNamed(instance_id);
  for (const std::string& line : LinesOf(driver::kIdClaimsFile)) {
    const std::vector<std::string> fields = absl::StrSplit(line, ' ');
    if (fields.size() != 3 || fields[1] != instance_id) continue;
    auto ids = driver::IdRanges::Open(driver::kIdClaimsFile, "auto", instance_id);
    if (ids.ok()) ids->Release(fields[2]).IgnoreError();
  }
}

Init::Init() {
  thread_ = std::thread([this] {
    while (!stop_.WaitForNotificationWithTimeout(absl::Milliseconds(10))) ReapQemus();
  });
}

Init::~Init() {
  stop_.Notify();
  thread_.join();
}

size_t ZombieChildren() {
  size_t count = 0;
  for (int pid : Children()) {
    const std::string status = ReadFile(absl::StrCat("/proc/", pid, "/status")).value_or("");
    if (absl::StrContains(status, "State:\tZ")) ++count;
  }
  return count;
}

void SweepChildren() {
  for (int pid : Children()) kill(pid, SIGKILL);
  ReapChildren();
}

}  // namespace vx::contract
