#include "plugins/cgroup/files.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/unique_fd.h"

namespace vx::cgroup {
namespace {

constexpr absl::Duration kRemoveTimeout = absl::Seconds(2);
constexpr absl::Duration kFreezeTimeout = absl::Seconds(10);

int64_t FindKey(absl::string_view text, absl::string_view key) {
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    int64_t value = 0;
    if (pair.first == key && absl::SimpleAtoi(pair.second, &value)) return value;
  }
  return 0;
}

// A group can't be removed for a moment after its last process was reaped; there
// is nothing to wait on in v1.
bool RemoveDirSoon(const std::string& path, absl::Time deadline) {
  while (rmdir(path.c_str()) < 0) {
    if (errno == ENOENT) return true;
    if (errno != EBUSY || absl::Now() >= deadline) return false;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return true;
}

}  // namespace

int64_t ReadNumber(const std::string& path, int64_t fallback) {
  auto text = ReadFile(path);
  int64_t value = 0;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &value)) return fallback;
  return value;
}

int64_t ReadKey(const std::string& path, absl::string_view key) {
  auto text = ReadFile(path);
  return text.ok() ? FindKey(*text, key) : 0;
}

absl::Status WriteNumber(const std::string& path, int64_t value) {
  return WriteToFile(path, absl::StrCat(value));
}

absl::Status MakeGroup(const std::string& parent, const std::string& path) {
  // Someone who removes the last group of the parent removes that too: again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (mkdir(path.c_str(), 0755) == 0 || errno == EEXIST) return absl::OkStatus();
    if (errno != ENOENT) break;
    if (mkdir(parent.c_str(), 0755) < 0 && errno != EEXIST) break;
  }
  return ErrnoError(errno, absl::StrCat("make cgroup ", path));
}

std::vector<pid_t> ReadProcesses(const std::string& path) {
  std::vector<pid_t> found;
  const auto listed = ReadFile(absl::StrCat(path, "/cgroup.procs"));
  for (absl::string_view text : absl::StrSplit(listed.value_or(""), '\n', absl::SkipEmpty())) {
    pid_t pid = 0;
    // 0: of a pid namespace that is not below ours.
    if (absl::SimpleAtoi(text, &pid) && pid > 0) found.push_back(pid);
  }
  return found;
}

absl::Status RemoveGroup(const std::string& path) {
  if (!RemoveDirSoon(path, absl::Now() + kRemoveTimeout)) {
    return ErrnoError(errno, absl::StrCat("remove cgroup ", path));
  }
  rmdir(ParentOf(path).c_str());
  return absl::OkStatus();
}

absl::Status WaitEvent(const std::string& group, absl::string_view key, int64_t value,
                       absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  VX_ASSIGN_OR_RETURN(UniqueFd events, OpenFile(absl::StrCat(group, "/cgroup.events"), O_RDONLY));
  while (true) {
    char text[256];
    const ssize_t n = pread(events.get(), text, sizeof text, 0);
    if (n < 0) return errno == ENODEV ? absl::OkStatus() : ErrnoError(errno, "read cgroup.events");
    if (FindKey(absl::string_view(text, static_cast<size_t>(n)), key) == value) {
      return absl::OkStatus();
    }
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) {
      return absl::DeadlineExceededError(
          absl::StrCat(group, " is not yet at \"", key, " ", value, "\""));
    }
    pollfd p{events.get(), POLLPRI, 0};
    poll(&p, 1, static_cast<int>(std::min<int64_t>(left, 1 << 30)));
  }
}

absl::Status FreezeUnified(const std::string& group, bool frozen) {
  VX_RETURN_IF_ERROR(WriteNumber(absl::StrCat(group, "/cgroup.freeze"), frozen ? 1 : 0));
  return WaitEvent(group, "frozen", frozen ? 1 : 0, kFreezeTimeout);
}

absl::Status KillUnified(const std::string& group, absl::Duration timeout) {
  absl::Status status = WriteNumber(absl::StrCat(group, "/cgroup.kill"), 1);
  if (absl::IsNotFound(status)) return absl::OkStatus();
  VX_RETURN_IF_ERROR(status);
  status = WaitEvent(group, "populated", 0, timeout);
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

}  // namespace vx::cgroup
