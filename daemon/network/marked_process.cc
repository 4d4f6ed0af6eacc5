#include "daemon/network/marked_process.h"

#include <signal.h>
#include <sys/wait.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"

namespace vx::network {
namespace {

constexpr absl::Duration kGrace = absl::Seconds(3);
constexpr absl::Duration kKillTimeout = absl::Seconds(10);

// Of a process that has ended there is none.
std::vector<std::string> ArgvOf(const std::string& pid) {
  auto text = ReadFile(absl::StrCat("/proc/", pid, "/cmdline"));
  if (!text.ok() || text->empty()) return {};
  return absl::StrSplit(absl::StripSuffix(*text, absl::string_view("\0", 1)), '\0');
}

// Whether the process, a child of ours, has ended and is called so.
bool IsEnded(const std::string& pid, absl::string_view name) {
  auto stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  return stat.ok() && absl::StrContains(*stat, absl::StrCat("(", name, ") Z"));
}

bool HasMark(const std::vector<std::string>& argv, const std::string& mark) {
  return argv.size() > 1 && argv[1] == mark;
}

}  // namespace

std::optional<MarkedProcess> LookAt(pid_t pid, const std::string& mark) {
  // The descriptor comes first: should the number go to another process after it, that is
  // not who is signalled.
  auto pidfd = OpenPidfd(pid);
  if (!pidfd.ok()) return std::nullopt;
  std::vector<std::string> argv = ArgvOf(absl::StrCat(pid));
  if (!HasMark(argv, mark)) return std::nullopt;
  return MarkedProcess{*std::move(pidfd), std::move(argv)};
}

absl::Status End(const MarkedProcess& process) {
  VX_RETURN_IF_ERROR(SignalPidfd(process.pidfd.get(), SIGTERM));
  if (WaitPidfd(process.pidfd.get(), kGrace)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(SignalPidfd(process.pidfd.get(), SIGKILL));
  if (WaitPidfd(process.pidfd.get(), kKillTimeout)) return absl::OkStatus();
  return Error(absl::StatusCode::kDeadlineExceeded, "PROCESS_STAYS",
               absl::StrCat(process.argv[0], " ", process.argv[1], " does not end"));
}

absl::Status EndAllMarked(const std::string& mark) {
  VX_ASSIGN_OR_RETURN(std::vector<std::string> entries, ListDir("/proc"));
  for (const std::string& entry : entries) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry, &pid) || !HasMark(ArgvOf(entry), mark)) continue;
    if (auto process = LookAt(pid, mark)) VX_RETURN_IF_ERROR(End(*process));
  }
  return absl::OkStatus();
}

void ReapAdopted(absl::string_view name) {
  auto threads = ListDir("/proc/self/task");
  if (!threads.ok()) return;
  for (const std::string& thread : *threads) {
    auto children = ReadFile(absl::StrCat("/proc/self/task/", thread, "/children"));
    if (!children.ok()) continue;
    for (absl::string_view child : absl::StrSplit(*children, ' ', absl::SkipEmpty())) {
      pid_t pid = 0;
      if (!absl::SimpleAtoi(child, &pid) || !IsEnded(std::string(child), name)) continue;
      waitpid(pid, nullptr, WNOHANG);
    }
  }
}

}  // namespace vx::network
