#include "tests/contract/cgroups.h"

#include <signal.h>
#include <unistd.h>

#include <filesystem>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"

namespace vx::contract {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";

std::optional<std::string> ReadValue(const std::string& path) {
  auto text = ReadFile(path);
  if (!text.ok()) return std::nullopt;
  return std::string(absl::StripAsciiWhitespace(*text));
}

// The limit's file in the process's cgroup; empty when there is neither.
std::string FileOf(int pid, const std::string& controller, const std::string& v1_file,
                   const std::string& v2_file) {
  const std::string membership = ReadFile(absl::StrCat("/proc/", pid, "/cgroup")).value_or("");
  for (absl::string_view line : absl::StrSplit(membership, '\n', absl::SkipEmpty())) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    if (absl::c_linear_search(controllers, controller)) {
      return absl::StrCat(kCgroups, "/", fields[1], fields[2], "/", v1_file);
    }
    if (fields[1].empty() && PathExists(absl::StrCat(kCgroups, "/cgroup.controllers"))) {
      return absl::StrCat(kCgroups, fields[2], "/", v2_file);
    }
  }
  return "";
}

// All folders below `top`, parents first.
std::vector<std::string> CgroupsBelow(const std::string& top) {
  std::vector<std::string> found;
  std::error_code error;
  for (auto it = std::filesystem::recursive_directory_iterator(top, error);
       !error && it != std::filesystem::end(it); it.increment(error)) {
    if (it->is_directory(error)) found.push_back(it->path());
  }
  return found;
}

void KillAndRemove(const std::string& dir) {
  if (rmdir(dir.c_str()) == 0) return;
  const std::string pids = ReadFile(dir + "/cgroup.procs").value_or("");
  for (absl::string_view line : absl::StrSplit(pids, '\n', absl::SkipEmpty())) {
    int pid = 0;
    if (absl::SimpleAtoi(line, &pid) && pid > 1) kill(pid, SIGKILL);
  }
  WriteToFile(dir + "/freezer.state", "THAWED").IgnoreError();
}

}  // namespace

std::optional<std::string> CgroupValue(int pid, const std::string& controller,
                                       const std::string& v1_file, const std::string& v2_file) {
  const std::string file = FileOf(pid, controller, v1_file, v2_file);
  return file.empty() ? std::nullopt : ReadValue(file);
}

bool SetCgroupValue(int pid, const std::string& controller, const std::string& v1_file,
                    const std::string& v2_file, const std::string& value) {
  const std::string file = FileOf(pid, controller, v1_file, v2_file);
  return !file.empty() && WriteToFile(file, value).ok();
}

std::vector<std::string> CgroupsNamed(const std::string& part) {
  std::vector<std::string> found;
  for (const std::string& dir : CgroupsBelow(kCgroups)) {
    if (std::filesystem::path(dir).filename().string().find(part) != std::string::npos) {
      found.push_back(dir);
    }
  }
  return found;
}

void RemoveCgroupsNamed(const std::string& part) {
  const absl::Time deadline = absl::Now() + absl::Seconds(5);
  std::vector<std::string> dirs = CgroupsNamed(part);
  while (!dirs.empty() && absl::Now() < deadline) {
    for (const std::string& dir : dirs) {
      std::vector<std::string> below = CgroupsBelow(dir);
      below.insert(below.begin(), dir);
      for (auto it = below.rbegin(); it != below.rend(); ++it) KillAndRemove(*it);
    }
    // What was killed leaves its cgroup a little later.
    absl::SleepFor(absl::Milliseconds(20));
    dirs = CgroupsNamed(part);
  }
}

}  // namespace vx::contract
