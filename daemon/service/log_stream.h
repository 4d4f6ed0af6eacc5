// One reader of a workload's output.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "daemon/service/pumped_stream.h"
#include "daemon/service/unary.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::service {

// Pulls entries from the driver's log reader. A follower ends when the run that it
// follows has ended and all that it wrote was sent.
class LogStream : public PumpedStream<v1::StreamLogsResponse> {
 public:
  LogStream(const Context& context, const v1::StreamLogsRequest& request)
      : PumpedStream(context.slow_pool), context_(context), request_(request) {}

  void Begin() { Wake(); }

 private:
  Next Produce(v1::StreamLogsResponse& message) override;
  void Stop() override;

  // Finds the workload and watches it from then on; tells the caller so.
  absl::Status Find();
  absl::Status OpenReader();
  absl::Status Fill(v1::StreamLogsResponse& message);
  // Notes what becomes of the workload; under the store's lock.
  void Look(const v1::Event& event);

  struct End {
    bool there = false;
    std::optional<v1::Exit> exit;
  };
  End TheEnd();
  // A follower's last message: how the run ended, if that is known.
  Next Conclude(const End& end, v1::StreamLogsResponse& message);
  // Whether the workload is still being made, so that it has no log yet.
  bool InTheMaking();
  // Whether its run has ended. One that is removed at its exit is there until then,
  // and for as long as a follower has not got all that it wrote.
  bool Stopped();

  const Context& context_;
  const v1::StreamLogsRequest request_;
  bool found_ = false;
  bool exit_sent_ = false;
  std::string uid_;
  // The end of an earlier run, which is not the one to wait for.
  std::optional<v1::Exit> earlier_;
  std::unique_ptr<driver::LogReader> reader_;
  core::EventHub::Subscription subscription_;
  absl::Mutex end_mutex_;
  End end_ ABSL_GUARDED_BY(end_mutex_);
  bool making_ ABSL_GUARDED_BY(end_mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(end_mutex_) = false;
};

}  // namespace vx::service
