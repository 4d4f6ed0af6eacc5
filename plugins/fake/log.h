// A workload's log: kept in a file, and shared in memory with those who read it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"

namespace vx::fake {

// Thread-safe. The file has a line "NANOSECONDS STREAM DATA" for each entry; DATA
// without its newline ends in a backslash.
class Log : public std::enable_shared_from_this<Log> {
 public:
  // Takes over what the file holds; it is made by the first Append.
  explicit Log(std::string path);

  // Entries come in order of time. One that is not newer than the last is a step
  // repeated after a crash, and dropped.
  void Append(driver::LogEntry entry) ABSL_LOCKS_EXCLUDED(mutex_);

  // The reader keeps the log alive.
  std::unique_ptr<driver::LogReader> OpenReader(const driver::LogPosition& position)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class Reader;

  void Load();

  const std::string path_;
  absl::Mutex mutex_;
  std::vector<driver::LogEntry> entries_ ABSL_GUARDED_BY(mutex_);
  // One eventfd for each reader.
  std::set<int> wake_fds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::fake
