// Processes by descriptor: no signal ever reaches a recycled pid.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"

namespace vx {

// NOT_FOUND when there is no such process.
absl::StatusOr<UniqueFd> OpenPidfd(pid_t pid);

// Fine when the process is gone already.
absl::Status SignalPidfd(int pidfd, int signal);

// Waits until the process has ended; false when `timeout` is over first.
bool WaitPidfd(int pidfd, absl::Duration timeout);

// Reaps the process if it has ended; false when it is not a child of ours.
bool ReapPidfd(int pidfd);

// Start time of a process in clock ticks since boot (proc(5), stat field 22); 0
// when there is none. With the pid it identifies a process for good.
uint64_t ProcessStartTicks(pid_t pid);

}  // namespace vx
