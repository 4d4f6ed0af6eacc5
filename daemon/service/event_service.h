#pragma once

#include "daemon/service/unary.h"
#include "vx/v1/event_service.grpc.pb.h"

namespace vx::service {

// proto/vx/v1/event_service.proto; see EventStream.
class EventService : public v1::EventService::CallbackService {
 public:
  // `context` outlives it.
  explicit EventService(const Context& context) : context_(context) {}

  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext*, const v1::WatchEventsRequest*) override;

 private:
  const Context& context_;
};

}  // namespace vx::service
