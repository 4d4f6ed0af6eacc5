#include "daemon/service/stats_stream.h"

#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>

#include "absl/algorithm/container.h"
#include "absl/time/time.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/timestamps.h"

namespace vx::service {
namespace {

constexpr absl::Duration kLeastInterval = absl::Milliseconds(100);
constexpr absl::Duration kMostInterval = absl::Hours(24);
constexpr int kAll = 1 << 30;

// What a driver may be asked about.
bool Runs(const v1::Workload& workload) {
  const v1::State state = workload.status().state();
  return state == v1::STATE_RUNNING || state == v1::STATE_PAUSED || state == v1::STATE_STOPPING;
}

}  // namespace

absl::Status StatsStream::CheckInterval() {
  if (!request_.has_interval()) return absl::OkStatus();
  const absl::Duration interval = core::FromProto(request_.interval());
  if (interval < kLeastInterval || interval > kMostInterval) {
    return InvalidFields({{"interval", "is not between 100 ms and a day"}});
  }
  interval_ = absl::ToChronoNanoseconds(interval);
  return absl::OkStatus();
}

absl::Status StatsStream::Open() {
  VX_RETURN_IF_ERROR(CheckInterval());
  VX_ASSIGN_OR_RETURN(filter_, ParseFilters(request_.filters()));
  for (const std::string& name : request_.names()) {
    VX_ASSIGN_OR_RETURN(v1::Workload workload, context_.core.store().Read().FindWorkload(name));
    if (!absl::c_linear_search(uids_, workload.uid())) uids_.push_back(workload.uid());
  }
  due_ = Clock::now();
  opened_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<v1::Workload>> StatsStream::Running() const {
  auto wanted = [this](const v1::Workload& w) { return Runs(w) && filter_(w); };
  store::View view = context_.core.store().Read();
  if (uids_.empty()) {
    VX_ASSIGN_OR_RETURN(store::Page<v1::Workload> all, view.ListWorkloads(0, kAll, wanted));
    return std::move(all.rows);
  }
  std::vector<v1::Workload> running;
  absl::Status gone;
  size_t left = 0;
  for (const std::string& uid : uids_) {
    absl::StatusOr<v1::Workload> workload = view.GetWorkload(uid);
    gone.Update(workload.status());
    if (!workload.ok()) continue;
    ++left;
    if (wanted(*workload)) running.push_back(*std::move(workload));
  }
  if (left == 0) return gone;
  return running;
}

// Who has ended just now is left out, and so is who can't be asked.
absl::Status StatsStream::Fill(v1::StreamStatsResponse& message) {
  message.Clear();
  VX_ASSIGN_OR_RETURN(std::vector<v1::Workload> running, Running());
  series_.NextRound();
  for (const v1::Workload& workload : running) {
    absl::StatusOr<core::Sample> sample = context_.core.sampler().Take(workload);
    if (sample.ok()) *message.add_stats() = series_.Add(workload, *sample);
  }
  return absl::OkStatus();
}

absl::Status StatsStream::WaitForDue() {
  if (!timer_.valid()) timer_ = UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
  if (!timer_.valid()) return ErrnoError(errno, "make a timer");
  // Zero would be never.
  const auto left = std::max<int64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(due_ - Clock::now()).count(), 1);
  itimerspec spec = {};
  spec.it_value = absl::ToTimespec(absl::Nanoseconds(left));
  if (timerfd_settime(timer_.get(), 0, &spec, nullptr) != 0) {
    return ErrnoError(errno, "set a timer");
  }
  context_.waker.Arm(timer_.get(), [this] { Wake(); });
  return absl::OkStatus();
}

StatsStream::Next StatsStream::Produce(v1::StreamStatsResponse& message) {
  if (!opened_) {
    if (absl::Status status = Open(); !status.ok()) return {.end = status};
  }
  if (sent_ && !interval_) return {.end = absl::OkStatus()};
  if (Clock::now() < due_) {
    absl::Status status = WaitForDue();
    return status.ok() ? Next() : Next{.end = status};
  }
  absl::Status status = Fill(message);
  // All that were named are gone: nothing more is to come.
  if (sent_ && absl::IsNotFound(status)) return {.end = absl::OkStatus()};
  if (!status.ok()) return {.end = status};
  sent_ = true;
  if (interval_) due_ = std::max(due_ + *interval_, Clock::now());
  return {.write = true};
}

void StatsStream::Stop() {
  if (timer_.valid()) context_.waker.Forget(timer_.get());
}

}  // namespace vx::service
