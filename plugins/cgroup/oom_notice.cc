#include "plugins/cgroup/oom_notice.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::cgroup {

absl::StatusOr<OomNotice> OomNotice::OfV1(const std::string& group) {
  VX_ASSIGN_OR_RETURN(UniqueFd control,
                      OpenFile(absl::StrCat(group, "/memory.oom_control"), O_RDONLY));
  UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return ErrnoError(errno, "make an eventfd");
  VX_RETURN_IF_ERROR(WriteToFile(absl::StrCat(group, "/cgroup.event_control"),
                                 absl::StrCat(event.get(), " ", control.get())));
  return OomNotice(std::move(event), EPOLLIN);
}

absl::StatusOr<OomNotice> OomNotice::OfV2(const std::string& group) {
  VX_ASSIGN_OR_RETURN(UniqueFd events, OpenFile(absl::StrCat(group, "/memory.events"), O_RDONLY));
  OomNotice notice(std::move(events), EPOLLPRI);
  notice.Drain();
  return notice;
}

bool OomNotice::counts_first() const { return events_ == EPOLLPRI; }

// v2: what has been read is no news.
void OomNotice::Drain() {
  char buffer[512];
  (void)!(counts_first() ? pread(fd(), buffer, sizeof buffer, 0) : read(fd(), buffer, 8));
}

}  // namespace vx::cgroup
