#include "plugins/libvirt/qemu_process.h"

#include <signal.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/file.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/poll.h"
#include "daemon/base/status_macros.h"

namespace vx::libvirt {
namespace {

// Of a process that was killed.
constexpr absl::Duration kEnd = absl::Seconds(10);

// Numbers of /proc/PID/stat after the name and the state, from 0.
constexpr size_t kParent = 0, kUserTicks = 10, kSystemTicks = 11, kNumbers = 12;

absl::StatusOr<std::vector<int64_t>> ReadStat(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::string stat, ReadFile(absl::StrCat("/proc/", pid, "/stat")));
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return absl::InternalError("bad /proc/PID/stat");
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(stat).substr(name_end + 1), ' ', absl::SkipEmpty());
  std::vector<int64_t> numbers(kNumbers);
  for (size_t i = 0; i < kNumbers; ++i) {
    if (fields.size() <= i + 1 || !absl::SimpleAtoi(fields[i + 1], &numbers[i])) {
      return absl::InternalError("bad /proc/PID/stat");
    }
  }
  return numbers;
}

absl::StatusOr<absl::Duration> CpuTime(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::vector<int64_t> stat, ReadStat(pid));
  return absl::Seconds(1) * (stat[kUserTicks] + stat[kSystemTicks]) / sysconf(_SC_CLK_TCK);
}

// The number that comes after "KEY:" in lines of /proc/PID.
std::optional<int64_t> FindNumber(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t number = 0;
    if (words.size() >= 2 && words[0] == key && absl::SimpleAtoi(words[1], &number)) return number;
  }
  return std::nullopt;
}

absl::StatusOr<int64_t> ProportionalMemory(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::string rollup, ReadFile(absl::StrCat("/proc/", pid, "/smaps_rollup")));
  if (auto kilobytes = FindNumber(rollup, "Pss:")) return *kilobytes * 1024;
  return absl::InternalError("no Pss in /proc/PID/smaps_rollup");
}

void SetIo(pid_t pid, v1::Usage& usage) {
  const std::string io = ReadFile(absl::StrCat("/proc/", pid, "/io")).value_or("");
  if (auto read = FindNumber(io, "read_bytes:")) usage.set_read_bytes(*read);
  if (auto written = FindNumber(io, "write_bytes:")) usage.set_written_bytes(*written);
}

std::string PidFile(const std::string& pid_dir, const std::string& name) {
  return absl::StrCat(pid_dir, "/", name, ".pid");
}

}  // namespace

absl::StatusOr<QemuProcess> FindProcess(const std::string& pid_file, const std::string& mark) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(pid_file));
  QemuProcess process;
  if (!absl::SimpleAtoi(content, &process.pid)) {
    return absl::NotFoundError(absl::StrCat(pid_file, " holds no pid"));
  }
  VX_ASSIGN_OR_RETURN(process.pidfd, OpenPidfd(process.pid));
  auto arguments = ReadFile(absl::StrCat("/proc/", process.pid, "/cmdline"));
  if (!arguments.ok() || !absl::StrContains(*arguments, mark)) {
    return absl::NotFoundError(absl::StrCat("no process of ", pid_file, " runs"));
  }
  return process;
}

absl::StatusOr<QemuProcess> FindQemu(const std::string& pid_dir, const std::string& name) {
  return FindProcess(PidFile(pid_dir, name), absl::StrCat("guest=", name));
}

void EndQemu(const std::string& pid_dir, const std::string& name) {
  auto qemu = FindQemu(pid_dir, name);
  if (!qemu.ok()) return;
  SignalPidfd(qemu->pidfd.get(), SIGKILL).IgnoreError();
  WaitPidfd(qemu->pidfd.get(), kEnd);
}

bool WaitDropped(const std::string& pid_dir, const std::string& name, absl::Duration timeout) {
  const std::string file = PidFile(pid_dir, name);
  UniqueFd inotify(inotify_init1(IN_CLOEXEC));
  if (inotify_add_watch(inotify.get(), file.c_str(), IN_DELETE_SELF) < 0) return !PathExists(file);
  return WaitReadable(inotify.get(), absl::Now() + timeout).ok();
}

absl::StatusOr<pid_t> ParentOf(pid_t pid) {
  VX_ASSIGN_OR_RETURN(std::vector<int64_t> stat, ReadStat(pid));
  return static_cast<pid_t>(stat[kParent]);
}

absl::StatusOr<v1::Usage> ProcessUsage(pid_t pid) {
  v1::Usage usage;
  VX_ASSIGN_OR_RETURN(absl::Duration cpu_time, CpuTime(pid));
  VX_ASSIGN_OR_RETURN(int64_t memory, ProportionalMemory(pid));
  usage.mutable_cpu_time()->set_seconds(absl::IDivDuration(cpu_time, absl::Seconds(1), &cpu_time));
  usage.mutable_cpu_time()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(cpu_time)));
  usage.set_memory_bytes(memory);
  SetIo(pid, usage);
  return usage;
}

}  // namespace vx::libvirt
