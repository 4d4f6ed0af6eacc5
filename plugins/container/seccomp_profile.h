// The default system-call filter, config/seccomp.json, as built in.
#pragma once

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace vx::container {

absl::string_view DefaultSeccompProfile();

// Path of a file below `dir` that holds the profile, made where it is not there; another
// profile or another build has another name.
absl::StatusOr<std::string> KeepSeccompProfile(const std::string& dir, absl::string_view profile);

// Keeps the profile in a file for vx-runtime, which puts the compiled program
// beside it; another profile or another build has another name. Thread-safe.
class SeccompProfile {
 public:
  // `override_file`: a profile to use instead; empty: the default.
  SeccompProfile(std::string dir, std::string override_file)
      : dir_(std::move(dir)), override_file_(std::move(override_file)) {}

  // Path of the file, made where it is not there.
  absl::StatusOr<std::string> File();

 private:
  const std::string dir_;
  const std::string override_file_;
  absl::Mutex mutex_;
  std::string file_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::container
