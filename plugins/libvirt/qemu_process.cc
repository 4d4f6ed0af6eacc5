#include "plugins/libvirt/qemu_process.h"

#include <unistd.h>

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

// Fields of /proc/PID/stat after the name, from 0.
constexpr size_t kUserTicks = 11, kSystemTicks = 12;

absl::StatusOr<absl::Duration> CpuTime(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::string stat, ReadFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return absl::InternalError("bad /proc/PID/stat");
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(name_end + 1), ' ', absl::SkipEmpty());
  int64_t user = 0, system = 0;
  if (fields.size() <= kSystemTicks || !absl::SimpleAtoi(fields[kUserTicks], &user) ||
      !absl::SimpleAtoi(fields[kSystemTicks], &system)) {
    return absl::InternalError("bad /proc/PID/stat");
  }
  return absl::Seconds(1) * (user + system) / sysconf(_SC_CLK_TCK);
}

absl::StatusOr<int64_t> ProportionalMemory(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::string rollup, ReadFile(absl::StrCat("/proc/", pid, "/smaps_rollup")));
  for (absl::string_view line : absl::StrSplit(rollup, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kilobytes = 0;
    if (words.size() == 3 && words[0] == "Pss:" && absl::SimpleAtoi(words[1], &kilobytes)) {
      return kilobytes * 1024;
    }
  }
  return absl::InternalError("no Pss in /proc/PID/smaps_rollup");
}

}  // namespace

absl::StatusOr<QemuProcess> FindQemu(const std::string& pid_dir, const std::string& name) {
  const std::string file = absl::StrCat(pid_dir, "/", name, ".pid");
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(file));
  QemuProcess qemu;
  if (!absl::SimpleAtoi(content, &qemu.pid)) {
    return absl::NotFoundError(absl::StrCat(file, " holds no pid"));
  }
  VX_ASSIGN_OR_RETURN(qemu.pidfd, OpenPidfd(qemu.pid));
  auto arguments = ReadFile(absl::StrCat("/proc/", qemu.pid, "/cmdline"));
  if (!arguments.ok() || !absl::StrContains(*arguments, absl::StrCat("guest=", name))) {
    return absl::NotFoundError(absl::StrCat("no QEMU of ", name, " runs"));
  }
  return qemu;
}

absl::StatusOr<driver::Usage> ProcessUsage(pid_t pid) {
  driver::Usage usage;
  VX_ASSIGN_OR_RETURN(usage.cpu_time, CpuTime(pid));
  VX_ASSIGN_OR_RETURN(usage.memory_bytes, ProportionalMemory(pid));
  return usage;
}

}  // namespace vx::libvirt
