// How far a transfer is, part by part.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "vx/v1/operation.pb.h"

namespace vx::registry {

// Thread-safe. Parts are named by their digests, and keep the order of their Add.
class Progress {
 public:
  void Add(const std::string& name, int64_t total);
  void SetPhase(const std::string& name, absl::string_view phase);
  void SetDone(const std::string& name, int64_t bytes);
  // It is all there.
  void Finish(const std::string& name, absl::string_view phase);

  v1::OperationProgress Tell() const;

 private:
  v1::OperationProgress::Part* Find(const std::string& name) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  v1::OperationProgress progress_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> indexes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::registry
