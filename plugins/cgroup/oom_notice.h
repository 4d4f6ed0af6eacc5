// Tells when the out-of-memory killer strikes in a group: an eventfd on v1's
// memory.oom_control, v2's memory.events itself. (Not inotify: a user may have 128 of
// its instances, which is fewer than a host has containers.)
//
// Not thread-safe. It keeps no group alive: end it with the group, as v2 tells nothing
// then.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::cgroup {

class OomNotice {
 public:
  // `group` is the folder in v1's memory hierarchy, or in v2's only one. An error when it
  // is not there, or has no memory controller.
  static absl::StatusOr<OomNotice> OfV1(const std::string& group);
  static absl::StatusOr<OomNotice> OfV2(const std::string& group);

  // Has events() (EPOLLIN or EPOLLPRI) when the killer struck, and at times when it did
  // not: at its limit, v2, up to 100 times a second; about to strike, v1, which counts
  // (Cgroup::OomKills) a moment later.
  int fd() const { return fd_.get(); }
  uint32_t events() const { return events_; }

  // Whether all that it tells of is counted already (v2).
  bool counts_first() const;

  // Makes fd() wait again.
  void Drain();

 private:
  OomNotice(UniqueFd fd, uint32_t events) : fd_(std::move(fd)), events_(events) {}

  UniqueFd fd_;
  uint32_t events_;
};

}  // namespace vx::cgroup
