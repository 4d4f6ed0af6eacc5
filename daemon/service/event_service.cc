#include "daemon/service/event_service.h"

#include "daemon/service/event_stream.h"

namespace vx::service {

grpc::ServerWriteReactor<v1::WatchEventsResponse>* EventService::WatchEvents(
    grpc::CallbackServerContext* call, const v1::WatchEventsRequest* request) {
  absl::StatusOr<Caller> caller = context_.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    return new Refusal<grpc::ServerWriteReactor<v1::WatchEventsResponse>>(caller.status());
  }
  auto* stream = new EventStream(context_, *request);
  stream->Begin();
  return stream;
}

}  // namespace vx::service
