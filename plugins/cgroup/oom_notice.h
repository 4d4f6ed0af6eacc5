// Tells when the out-of-memory killer strikes in a group: an eventfd on v1's
// memory.oom_control, inotify on v2's memory.events.
//
// Not thread-safe. It holds descriptors only, so the group can be removed meanwhile.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"

namespace vx::cgroup {

class OomNotice {
 public:
  // `group` is the folder in v1's memory hierarchy, or in v2's only one. What
  // happened before does not count.
  static absl::StatusOr<OomNotice> OfV1(const std::string& group);
  static absl::StatusOr<OomNotice> OfV2(const std::string& group);

  // Polls readable when the killer struck, and at times when it did not: at its
  // limit, v2; about to strike, v1, which counts a moment later. Also when the group
  // is gone.
  int fd() const { return fd_.get(); }

  // How often it struck since the last call, and makes fd() wait again. NOT_FOUND
  // when the group is gone.
  absl::StatusOr<int64_t> Strikes();

  // Waits for the next strikes: at least 1. DEADLINE_EXCEEDED when there was none.
  absl::StatusOr<int64_t> Wait(absl::Duration timeout);

 private:
  OomNotice(UniqueFd fd, std::string counter, bool counts_late);

  absl::StatusOr<int64_t> Count() const;

  UniqueFd fd_;
  std::string counter_;  // a file with a line "oom_kill N"
  bool counts_late_;
  int64_t seen_ = 0;
};

}  // namespace vx::cgroup
