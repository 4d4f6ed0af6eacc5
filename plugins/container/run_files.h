// What the driver notes down of a run in its folder, for itself and for a driver
// after it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace vx::container {

struct RunNotes {
  int stop_signal = 15;
  std::string argv0;
  std::string user;
  std::string working_dir;
};

absl::Status WriteRunNotes(const std::string& dir, const RunNotes& notes);
absl::StatusOr<RunNotes> ReadRunNotes(const std::string& dir);

absl::Status WriteStartTime(const std::string& dir, absl::Time time);
// InfinitePast when it was not started.
absl::Time ReadStartTime(const std::string& dir);

// Reaps the run's init, which has been killed, where it became a child of ours, as it
// does when its shim was killed. Waits until it has ended.
void ReapInit(const std::string& dir);

// The shim was killed: there is no exit record but this.
absl::Status WriteShimDied(const std::string& dir);
bool ShimDied(const std::string& dir);

}  // namespace vx::container
