#include "plugins/cgroup/oom_notice.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/poll.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/stats.h"

namespace vx::cgroup {
namespace {

// From v1's word that it is about to kill until it has counted.
constexpr absl::Duration kCountsWithin = absl::Seconds(1);

void Drain(int fd) {
  alignas(inotify_event) char buffer[4096];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
}

}  // namespace

OomNotice::OomNotice(UniqueFd fd, std::string counter, bool counts_late)
    : fd_(std::move(fd)), counter_(std::move(counter)), counts_late_(counts_late) {
  seen_ = Count().value_or(0);
}

absl::StatusOr<OomNotice> OomNotice::OfV1(const std::string& group) {
  const std::string control = absl::StrCat(group, "/memory.oom_control");
  VX_ASSIGN_OR_RETURN(UniqueFd file, OpenFile(control, O_RDONLY));
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return ErrnoError(errno, "make an eventfd");
  VX_RETURN_IF_ERROR(WriteToFile(absl::StrCat(group, "/cgroup.event_control"),
                                 absl::StrCat(event.get(), " ", file.get())));
  return OomNotice(std::move(event), control, /*counts_late=*/true);
}

absl::StatusOr<OomNotice> OomNotice::OfV2(const std::string& group) {
  const std::string events = absl::StrCat(group, "/memory.events");
  UniqueFd watch(inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!watch.valid()) return ErrnoError(errno, "make an inotify descriptor");
  if (inotify_add_watch(watch.get(), events.c_str(), IN_MODIFY | IN_DELETE_SELF) < 0) {
    return ErrnoError(errno, absl::StrCat("watch ", events));
  }
  return OomNotice(std::move(watch), events, /*counts_late=*/false);
}

absl::StatusOr<int64_t> OomNotice::Count() const {
  if (!PathExists(counter_)) return absl::NotFoundError(absl::StrCat("no file ", counter_));
  return KeyedFile(counter_).Find("oom_kill").value_or(0);
}

absl::StatusOr<int64_t> OomNotice::Strikes() {
  Drain(fd_.get());
  VX_ASSIGN_OR_RETURN(int64_t now, Count());
  const int64_t strikes = now - seen_;
  seen_ = now;
  return strikes;
}

absl::StatusOr<int64_t> OomNotice::Wait(absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  while (true) {
    VX_ASSIGN_OR_RETURN(int64_t strikes, Strikes());
    if (strikes > 0) return strikes;
    VX_RETURN_IF_ERROR(WaitReadable(fd_.get(), deadline));
    // The kernel has no second notice for its counter.
    const absl::Time counted = std::min(deadline, absl::Now() + kCountsWithin);
    while (counts_late_ && absl::Now() < counted) {
      VX_ASSIGN_OR_RETURN(int64_t now, Count());
      if (now != seen_) break;
      absl::SleepFor(absl::Milliseconds(1));
    }
  }
}

}  // namespace vx::cgroup
