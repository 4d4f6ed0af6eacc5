// What workloads use, sampled for whoever asks.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/core/driver_set.h"
#include "vx/v1/stats.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::core {

struct Sample {
  absl::Time time;
  // For differences: the other one may be set.
  std::chrono::steady_clock::time_point steady;
  v1::Usage usage;
};

// Asks the drivers. However many ask for the same workload, it is looked at no more
// often than every kFresh. Thread-safe.
class Sampler {
 public:
  static constexpr std::chrono::milliseconds kFresh{90};

  // `drivers` outlives it.
  explicit Sampler(const DriverSet& drivers) : drivers_(drivers) {}

  // Of a workload whose run is there; FAILED_PRECONDITION (NOT_RUNNING) when it has
  // ended. Waits for a driver that is still probing.
  absl::StatusOr<Sample> Take(const v1::Workload& workload) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const DriverSet& drivers_;
  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Sample> fresh_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point swept_ ABSL_GUARDED_BY(mutex_);
};

// One caller's samples, one after the other. Not thread-safe.
class SampleSeries {
 public:
  // The next of `workload`: its `cpus` are of the time since the one before, or of the
  // whole run where there is none.
  v1::WorkloadStats Add(const v1::Workload& workload, const Sample& sample);
  // Begins the next round: forgets those that were not added in the last.
  void NextRound();

 private:
  struct Last {
    Sample sample;
    absl::Time start;
    double cpus = 0;
    int round = 0;
  };

  std::map<std::string, Last> last_;
  // From 1 on.
  int round_ = 1;
};

}  // namespace vx::core
