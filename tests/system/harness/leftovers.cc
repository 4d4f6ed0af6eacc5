#include "tests/system/harness/leftovers.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/driver/id_ranges.h"

namespace vx::system_test {
namespace {

std::string Content(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *text : "";
}

// A zombie, which only waits for init, has an empty command line.
std::string CommandLine(const std::string& pid) {
  return absl::StrReplaceAll(Content(absl::StrCat("/proc/", pid, "/cmdline")),
                             {{absl::string_view("\0", 1), " "}});
}

bool StaysAlive(const std::string& pid) {
  int number = 0;
  if (!absl::SimpleAtoi(pid, &number)) return false;
  absl::StatusOr<UniqueFd> pidfd = OpenPidfd(number);
  return pidfd.ok() && !WaitPidfd(pidfd->get(), absl::Seconds(3));
}

void FindProcesses(const std::string& dir, std::vector<std::string>& found) {
  absl::StatusOr<std::vector<std::string>> pids = ListDir("/proc");
  if (!pids.ok()) return;
  for (const std::string& pid : *pids) {
    std::string command = CommandLine(pid);
    if (absl::StrContains(command, dir) && StaysAlive(pid)) {
      found.push_back(absl::StrCat("process ", pid, ": ", command));
    }
  }
}

void FindLines(const std::string& file, const std::string& word, const std::string& what,
               std::vector<std::string>& found) {
  std::string text = Content(file);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StrContains(line, word)) found.push_back(absl::StrCat(what, ": ", line));
  }
}

void FindCgroups(const std::string& instance_id, std::vector<std::string>& found) {
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator("/sys/fs/cgroup", error);
       it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    if (error) break;
    if (it->is_directory(error) && absl::StrContains(it->path().filename().string(), instance_id)) {
      found.push_back(absl::StrCat("cgroup: ", it->path().string()));
    }
  }
}

}  // namespace

std::vector<std::string> FindLeftovers(const std::string& dir, const std::string& instance_id) {
  std::vector<std::string> found;
  FindProcesses(dir, found);
  FindLines("/proc/self/mountinfo", dir, "mount", found);
  if (instance_id.empty()) return found;
  FindCgroups(instance_id, found);
  FindLines(driver::kIdClaimsFile, instance_id, "claimed ids", found);
  FindLines("/proc/net/dev", instance_id, "network link", found);
  return found;
}

}  // namespace vx::system_test
