#include "daemon/core/sampler.h"

#include <algorithm>

#include "absl/time/clock.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"

namespace vx::core {
namespace {

using Clock = std::chrono::steady_clock;

double CpuSeconds(const Sample& sample) {
  return absl::ToDoubleSeconds(FromProto(sample.usage.cpu_time()));
}

// How many cpus' time `used` seconds are of `passed` ones.
double Rate(double used, double passed) { return passed > 0 ? std::max(0.0, used / passed) : 0; }

double SinceStart(const Sample& sample, absl::Time start) {
  return Rate(CpuSeconds(sample), absl::ToDoubleSeconds(sample.time - start));
}

double Since(const Sample& before, const Sample& now) {
  return Rate(CpuSeconds(now) - CpuSeconds(before),
              std::chrono::duration<double>(now.steady - before.steady).count());
}

}  // namespace

absl::StatusOr<Sample> Sampler::Take(const v1::Workload& workload) {
  const Clock::time_point now = Clock::now();
  {
    absl::MutexLock lock(&mutex_);
    if (now - swept_ >= kFresh) {
      absl::erase_if(fresh_,
                     [&](const auto& entry) { return now - entry.second.steady >= kFresh; });
      swept_ = now;
    }
    auto it = fresh_.find(workload.uid());
    if (it != fresh_.end() && now - it->second.steady < kFresh) return it->second;
  }
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  Sample sample;
  VX_ASSIGN_OR_RETURN(sample.usage, driver->Stats(workload.uid()));
  sample.time = absl::Now();
  sample.steady = Clock::now();
  absl::MutexLock lock(&mutex_);
  fresh_[workload.uid()] = sample;
  return sample;
}

v1::WorkloadStats SampleSeries::Add(const v1::Workload& workload, const Sample& sample) {
  Last& last = last_[workload.uid()];
  const absl::Time start = FromProto(workload.status().start_time());
  const bool same_run = last.round > 0 && last.start == start;
  if (!same_run) {
    last.cpus = SinceStart(sample, start);
  } else if (sample.steady != last.sample.steady) {
    last.cpus = Since(last.sample, sample);
  }
  last.sample = sample;
  last.start = start;
  last.round = round_;
  v1::WorkloadStats stats;
  stats.set_name(workload.name());
  stats.set_uid(workload.uid());
  stats.set_kind(workload.kind());
  *stats.mutable_time() = ToProto(sample.time);
  stats.set_cpus(last.cpus);
  *stats.mutable_usage() = sample.usage;
  return stats;
}

void SampleSeries::NextRound() {
  std::erase_if(last_, [this](const auto& entry) { return entry.second.round < round_; });
  ++round_;
}

}  // namespace vx::core
