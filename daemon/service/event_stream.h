// One watcher of events.
#pragma once

#include <deque>
#include <string>

#include "daemon/service/pumped_stream.h"
#include "daemon/service/unary.h"
#include "vx/v1/event_service.pb.h"

namespace vx::service {

// Reads events from the store as fast as the watcher takes them, so a slow one
// costs no memory; when it falls behind what the store keeps, it is dropped.
class EventStream : public PumpedStream<v1::WatchEventsResponse> {
 public:
  EventStream(const Context& context, const v1::WatchEventsRequest& request)
      : PumpedStream(context.pool), context_(context), request_(request) {}

  void Begin() { Wake(); }

 private:
  Next Produce(v1::WatchEventsResponse& message) override;
  void Stop() override { subscription_.End(); }

  absl::Status Open();
  absl::Status TakeSnapshot(const store::View& view);
  absl::Status Refill();
  bool Wanted(const v1::Event& event) const;

  const Context& context_;
  const v1::WatchEventsRequest request_;
  core::EventHub::Subscription subscription_;
  bool opened_ = false;
  std::string uid_;             // empty: all workloads
  std::deque<v1::Event> next_;  // read and not sent
  int64_t last_read_ = 0;       // revision
  int64_t until_ = 0;           // last revision to send with until_now
};

}  // namespace vx::service
