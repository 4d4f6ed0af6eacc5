#include "daemon/core/sampler.h"

#include <gtest/gtest.h>

#include "daemon/core/timestamps.h"

namespace vx::core {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

v1::Workload Running(const std::string& uid, absl::Time start = kStart) {
  v1::Workload workload;
  workload.set_name("of-" + uid);
  workload.set_uid(uid);
  workload.set_kind(v1::KIND_VM);
  *workload.mutable_status()->mutable_start_time() = ToProto(start);
  return workload;
}

// `after` the start by both clocks.
Sample Used(absl::Duration cpu_time, absl::Duration after) {
  Sample sample;
  sample.time = kStart + after;
  sample.steady = std::chrono::steady_clock::time_point(absl::ToChronoNanoseconds(after));
  *sample.usage.mutable_cpu_time() = ToProto(cpu_time);
  return sample;
}

TEST(SampleSeriesTest, TheFirstIsOnAverageSinceTheStart) {
  SampleSeries series;
  const v1::WorkloadStats stats =
      series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(10)));
  EXPECT_DOUBLE_EQ(stats.cpus(), 0.5);
  EXPECT_EQ(stats.name(), "of-a");
  EXPECT_EQ(stats.uid(), "a");
  EXPECT_EQ(stats.kind(), v1::KIND_VM);
  EXPECT_EQ(FromProto(stats.time()), kStart + absl::Seconds(10));
  EXPECT_EQ(stats.usage().cpu_time().seconds(), 5);
}

TEST(SampleSeriesTest, TheNextAreSinceTheOneBefore) {
  SampleSeries series;
  series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(10)));
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), Used(absl::Seconds(7), absl::Seconds(11))).cpus(), 2);
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), Used(absl::Seconds(7), absl::Seconds(12))).cpus(), 0);
}

TEST(SampleSeriesTest, ASampleThatIsSeenTwiceTellsTheSameTwice) {
  SampleSeries series;
  series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(10)));
  const Sample second = Used(absl::Seconds(6), absl::Seconds(11));
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), second).cpus(), 1);
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), second).cpus(), 1);
}

TEST(SampleSeriesTest, ANewRunBeginsAnew) {
  SampleSeries series;
  series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(10)));
  const v1::Workload again = Running("a", kStart + absl::Seconds(18));
  EXPECT_DOUBLE_EQ(series.Add(again, Used(absl::Seconds(1), absl::Seconds(20))).cpus(), 0.5);
}

TEST(SampleSeriesTest, WhoWasLeftOutForARoundIsForgotten) {
  SampleSeries series;
  series.NextRound();
  series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(10)));
  series.NextRound();
  series.NextRound();
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), Used(absl::Seconds(5), absl::Seconds(20))).cpus(),
                   0.25);
}

TEST(SampleSeriesTest, ClocksThatStandStillOrRunBackAreNoTrouble) {
  SampleSeries series;
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), Used(absl::Seconds(5), absl::ZeroDuration())).cpus(),
                   0);
  EXPECT_DOUBLE_EQ(series.Add(Running("a"), Used(absl::Seconds(4), absl::Seconds(1))).cpus(), 0);
}

}  // namespace
}  // namespace vx::core
