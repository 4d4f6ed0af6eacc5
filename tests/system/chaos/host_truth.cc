#include "tests/system/chaos/host_truth.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"

namespace vx::system_test {
namespace {

constexpr char kCgroups[] = "/sys/fs/cgroup";

std::string Read(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path);
  return text.ok() ? *text : "";
}

std::string OfProcess(pid_t pid, const std::string& file) {
  return Read(absl::StrCat("/proc/", pid, "/", file));
}

bool IsDead(pid_t pid) {
  const std::string status = OfProcess(pid, "status");
  return status.empty() || absl::StrContains(status, "State:\tZ");
}

// The first process of a PID namespace below ours.
bool IsInit(pid_t pid) {
  const std::string status = OfProcess(pid, "status");
  const size_t at = status.find("NSpid:");
  if (at == std::string::npos) return false;
  const std::string line = status.substr(at, status.find('\n', at) - at);
  const std::vector<std::string> pids =
      absl::StrSplit(line, absl::ByAnyChar("\t "), absl::SkipEmpty());
  return pids.size() > 2 && pids.back() == "1";
}

// Processes that are a workload's.
struct Found {
  std::vector<pid_t> mains;
  std::vector<pid_t> shims;
};

void Classify(pid_t pid, const Json& workload, Found& found) {
  const std::string uid = workload["uid"];
  const std::vector<std::string> argv = absl::StrSplit(OfProcess(pid, "cmdline"), '\0');
  const bool named = absl::StrContains(absl::StrJoin(argv, " "), uid);
  if (named && absl::EndsWith(argv[0], "/vx-shim")) found.shims.push_back(pid);
  const bool main = workload["kind"] == "vm"
                        ? named && absl::StrContains(argv[0], "qemu-system")
                        : absl::StrContains(OfProcess(pid, "cgroup"), uid) && IsInit(pid);
  if (main) found.mains.push_back(pid);
}

Found Look(const Json& workload) {
  Found found;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    pid_t pid = 0;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &pid) || IsDead(pid)) continue;
    Classify(pid, workload, found);
  }
  return found;
}

// Of the cgroup in which the process is, v1 or v2.
int64_t MemoryLimit(pid_t pid) {
  int64_t bytes = 0;
  for (absl::string_view line : absl::StrSplit(OfProcess(pid, "cgroup"), '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    const std::string v1 = absl::StrCat(kCgroups, "/memory", parts[2], "/memory.limit_in_bytes");
    const std::string v2 = absl::StrCat(kCgroups, parts[2], "/memory.max");
    if (parts[1] == "memory" && absl::SimpleAtoi(Read(v1), &bytes)) return bytes;
    if (parts[0] == "0" && absl::SimpleAtoi(Read(v2), &bytes)) return bytes;
  }
  return bytes;
}

// What a guest has is on QEMU's command line.
int64_t GuestMemory(pid_t pid) {
  const std::vector<std::string> argv = absl::StrSplit(OfProcess(pid, "cmdline"), '\0');
  int64_t mib = 0;
  for (size_t i = 0; i + 1 < argv.size(); ++i) {
    if (argv[i] == "-m") (void)absl::SimpleAtoi(argv[i + 1].substr(0, argv[i + 1].find('k')), &mib);
  }
  return mib << 20;
}

void CompareMemory(const Json& workload, pid_t pid, std::vector<std::string>& untrue) {
  const int64_t told = workload["spec"]["resources"]["memoryBytes"];
  const int64_t is = workload["kind"] == "vm" ? GuestMemory(pid) : MemoryLimit(pid);
  if (is != told) untrue.push_back(absl::StrCat("memory is ", is, " bytes, not ", told));
}

}  // namespace

std::vector<std::string> Untrue(const Json& workload) {
  const Json& status = workload["status"];
  const bool runs = status["state"] == "running" || status["state"] == "paused";
  const pid_t pid = status["pid"], shim = status["shimPid"];
  const Found found = Look(workload);
  const std::vector<pid_t> mains = runs ? std::vector<pid_t>{pid} : std::vector<pid_t>{};
  const std::vector<pid_t> shims = runs ? std::vector<pid_t>{shim} : std::vector<pid_t>{};
  std::vector<std::string> untrue;
  if (!runs && (pid != 0 || shim != 0)) untrue.push_back("it has a pid, but does not run");
  if (found.mains != mains) {
    untrue.push_back(absl::StrCat("its processes are [", absl::StrJoin(found.mains, " "),
                                  "], not [", absl::StrJoin(mains, " "), "]"));
  }
  if (found.shims != shims) {
    untrue.push_back(absl::StrCat("its shims are [", absl::StrJoin(found.shims, " "), "], not [",
                                  absl::StrJoin(shims, " "), "]"));
  }
  if (runs && found.mains == mains) CompareMemory(workload, pid, untrue);
  return untrue;
}

}  // namespace vx::system_test
