// What every RPC has in common: authorise, leave gRPC's thread, answer.
#pragma once

#include <grpcpp/grpcpp.h>

#include <functional>
#include <utility>

#include "daemon/base/work_pool.h"
#include "daemon/core/core.h"
#include "daemon/service/authorizer.h"
#include "daemon/service/fd_waker.h"
#include "daemon/service/rpc_error.h"

namespace vx::service {

// What the services share; all of it outlives them.
struct Context {
  core::Core& core;
  const Authorizer& authorizer;
  // Short work: reading and recording.
  WorkPool& pool;
  // Work that may wait for a driver or a slow reader.
  WorkPool& slow_pool;
  FdWaker& waker;
  // Where uploads are kept until they are imported.
  std::string spool_dir;
  // Has the daemon end and start again; returns at once.
  std::function<void()> restart;
};

template <typename Request>
core::RequestKey KeyOf(const Caller& caller, const Request& request) {
  return {request.request_id(), Fingerprint(request), caller.name};
}

// Runs `work(caller)` on the pool and finishes the call with its status. The
// request and response live until then.
template <typename Request, typename Work>
grpc::ServerUnaryReactor* Unary(const Context& context, grpc::CallbackServerContext* call,
                                const Request* request, Work work, WorkPool* pool = nullptr) {
  grpc::ServerUnaryReactor* reactor = call->DefaultReactor();
  absl::StatusOr<Caller> caller = context.authorizer.Authorize(call->peer(), *request);
  if (!caller.ok()) {
    reactor->Finish(ToGrpc(caller.status()));
    return reactor;
  }
  (pool ? *pool : context.pool).Run([reactor, caller = *std::move(caller), work = std::move(work)] {
    reactor->Finish(ToGrpc(work(caller)));
  });
  return reactor;
}

// Moves an operation into a response, or returns the error.
template <typename Response>
absl::Status Answer(absl::StatusOr<v1::Operation> operation, Response* response) {
  if (!operation.ok()) return operation.status();
  *response->mutable_operation() = *std::move(operation);
  return absl::OkStatus();
}

// A stream that ends at once with an error.
template <typename Reactor>
class Refusal : public Reactor {
 public:
  explicit Refusal(const absl::Status& why) { this->Finish(ToGrpc(why)); }
  void OnDone() override { delete this; }
};

}  // namespace vx::service
