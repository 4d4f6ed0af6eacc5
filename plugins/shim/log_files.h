// The files of a log that its writer divides (log_writer.h): NAME is the newest, NAME.1
// the one before, and so on.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::shim {

// Not thread-safe. Its files stay readable when the writer drops them.
class LogFiles {
 public:
  // NOT_FOUND when there is no log.
  static absl::StatusOr<LogFiles> Open(const std::string& path);

  // The file to read now; the oldest at first.
  int front() const { return files_.front().get(); }
  // Goes on to the next; false when the front is the newest, and stays. A reader so
  // slow that the next was dropped goes on with the oldest there is.
  absl::StatusOr<bool> Advance(const std::string& path);

  // The front becomes the file, and its offset the place, where the last `count` lines
  // of all begin.
  absl::Status SeekTail(int64_t count);
  // Behind all that is there.
  absl::Status SeekEnd();

 private:
  explicit LogFiles(std::deque<UniqueFd> files) : files_(std::move(files)) {}

  std::deque<UniqueFd> files_;  // oldest first, never empty
};

}  // namespace vx::shim
