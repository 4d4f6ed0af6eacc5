// Waiting for devices: the kernel tells when one comes or changes.
#pragma once

#include <cstdint>

namespace vx::agent {

// A point on the monotonic clock.
class Deadline {
 public:
  explicit Deadline(int timeout_ms);
  // 0 once it has passed.
  int LeftMs() const;

 private:
  int64_t at_ms_;
};

// The kernel's device events from its making on.
class Uevents {
 public:
  Uevents();
  ~Uevents();
  Uevents(const Uevents&) = delete;
  Uevents& operator=(const Uevents&) = delete;

  // Waits for an event; false once `deadline` has passed. May return true
  // without one: look again.
  bool WaitForNext(const Deadline& deadline);

  // For a loop: polls readable while there are events.
  int fd() const { return fd_; }
  // Takes what events there are; whether one of them is of a cpu that came.
  bool TookCpu();

 private:
  int fd_;
};

}  // namespace vx::agent
