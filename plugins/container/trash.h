// Removes folders in the background: emptying a large writable layer, or waiting
// for the filesystem's journal, is nobody's to wait for.
//
// What is thrown away is gone under its name at once. Should the process end
// before it is removed, the next Trash over the same folder goes on.
#pragma once

#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace vx::container {

class Trash {
 public:
  // `dir` must be on the filesystem of what is thrown away.
  explicit Trash(std::string dir) : dir_(std::move(dir)) {}
  // Waits until all is removed.
  ~Trash();

  // Begins with what an earlier process left. Once, before Throw.
  void Start();

  // Fine when `path` is not there. Removes at once when it can't be moved.
  absl::Status Throw(const std::string& path);

 private:
  void Loop();
  void Empty();

  const std::string dir_;
  absl::Mutex mutex_;
  bool wanted_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vx::container
