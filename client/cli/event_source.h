// Events from where a user wants them.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/lib/connection.h"

namespace vx::cli {

// With neither `revision` nor `time`: with `follow` what happens from now on, else
// all that is kept.
struct EventStart {
  std::optional<int64_t> revision;  // those after it
  std::optional<absl::Time> time;   // those at it or later
  std::string workload;             // empty: of all
  bool follow = false;              // else ends with the newest
};

// Calls `take` with each until it returns an error.
absl::Status ReadEvents(client::Connection& connection, const EventStart& start,
                        const std::function<absl::Status(const v1::Event&)>& take);

}  // namespace vx::cli
