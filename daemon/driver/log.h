// What drivers keep of what workloads write.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace vx::driver {

// A piece of a workload's output: a line with its newline, or a part of a long
// line.
struct LogEntry {
  absl::Time time;
  // 1 stdout, 2 stderr.
  int stream = 1;
  std::string data;
};

// Where a log reader begins.
struct LogPosition {
  // The last N lines; absent: all.
  std::optional<int64_t> tail;
  // Skip what was written before.
  absl::Time since = absl::InfinitePast();
  // Skip all that is there now.
  bool from_end = false;
};

// Reads one workload's log. Not thread-safe. Keeps what it reads: it goes on
// after Release.
class LogReader {
 public:
  virtual ~LogReader() = default;
  // Fills `entry` and returns true, or false when there is no more for now.
  // Never blocks.
  virtual absl::StatusOr<bool> Next(LogEntry& entry) = 0;
  // Polls readable when Next may have more since it last returned false; Next
  // takes the readiness away. Owned by the reader.
  virtual int wake_fd() const = 0;
};

}  // namespace vx::driver
