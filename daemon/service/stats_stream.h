// One caller that wants to know what workloads use.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/service/pumped_stream.h"
#include "daemon/service/unary.h"
#include "daemon/service/workload_filter.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::service {

// Takes a round of samples when it is time for one and the message before is out: who
// reads slowly gets fewer of them, and costs nobody anything.
class StatsStream : public PumpedStream<v1::StreamStatsResponse> {
 public:
  StatsStream(const Context& context, const v1::StreamStatsRequest& request)
      : PumpedStream(context.slow_pool), context_(context), request_(request) {}

  void Begin() { Wake(); }

 private:
  using Clock = std::chrono::steady_clock;

  Next Produce(v1::StreamStatsResponse& message) override;
  void Stop() override;

  // Checks the request and finds who is named.
  absl::Status Open();
  absl::Status CheckInterval();
  // Those that were asked for and run. With names: NOT_FOUND once none of them is there
  // any more.
  absl::StatusOr<std::vector<v1::Workload>> Running() const;
  absl::Status Fill(v1::StreamStatsResponse& message);
  // Has itself woken at `due_`.
  absl::Status WaitForDue();

  const Context& context_;
  const v1::StreamStatsRequest request_;
  bool opened_ = false;
  WorkloadFilter filter_;
  // Of those that are named; empty: all.
  std::vector<std::string> uids_;
  core::SampleSeries series_;
  // Of one that comes again and again.
  std::optional<Clock::duration> interval_;
  bool sent_ = false;
  Clock::time_point due_;
  UniqueFd timer_;
};

}  // namespace vx::service
