#include "daemon/service/server.h"

#include <fcntl.h>
#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server_posix.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/service/event_service.h"
#include "daemon/service/image_service.h"
#include "daemon/service/listener.h"
#include "daemon/service/network_service.h"
#include "daemon/service/operation_service.h"
#include "daemon/service/volume_service.h"
#include "daemon/service/workload_service.h"

namespace vx::service {
namespace {

constexpr int kThreads = 8;
constexpr int kSlowThreads = 32;
constexpr int kMaxMessageBytes = 4 << 20;

// Never given back: who lets go of gRPC last waits for a thread of its own, which,
// after large messages, may be asleep for 10 s.
void HoldLibrary() { grpc_init(); }

}  // namespace

// In the order of construction; torn down in reverse.
struct Server::State {
  State(core::Core& core, ServerOptions& options)
      : authorizer(peers, options.operator_host_access),
        context{core,           authorizer, pool,
                slow_pool,      waker,      absl::StrCat(options.facts.state_dir, "/incoming"),
                options.restart},
        workloads(context),
        operations(context),
        events(context),
        images(context),
        networks(context),
        volumes(context),
        system(context, options.facts) {}

  Peers peers;
  Authorizer authorizer;
  // Ends after the pools, whose work uses it.
  FdWaker waker;
  WorkPool pool{"vx-rpc", kThreads};
  WorkPool slow_pool{"vx-slow", kSlowThreads};
  Context context;
  WorkloadService workloads;
  OperationService operations;
  EventService events;
  ImageService images;
  NetworkService networks;
  VolumeService volumes;
  SystemService system;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Listener> listener;
};

Server::Server(std::unique_ptr<State> state) : state_(std::move(state)) {}

Server::~Server() { Shutdown(absl::ZeroDuration()); }

absl::StatusOr<std::unique_ptr<Server>> Server::Start(core::Core& core, ServerOptions options) {
  auto state = std::make_unique<State>(core, options);
  // Uploads that an earlier daemon did not finish.
  VX_RETURN_IF_ERROR(RemoveTree(state->context.spool_dir));
  VX_RETURN_IF_ERROR(MakeDirs(state->context.spool_dir, 0700));
  HoldLibrary();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kMaxMessageBytes);
  grpc::Service* services[] = {&state->workloads, &state->operations, &state->events,
                               &state->images,    &state->networks,   &state->volumes,
                               &state->system};
  for (grpc::Service* service : services) builder.RegisterService(service);
  state->server = builder.BuildAndStart();
  if (!state->server) return absl::InternalError("the gRPC server can't be started");
  state->listener = std::make_unique<Listener>(
      std::move(options.socket), state->peers, [server = state->server.get()](UniqueFd fd) {
        grpc::AddInsecureChannelFromFd(server, fd.release());
      });
  return std::unique_ptr<Server>(new Server(std::move(state)));
}

void Server::GoThrough(std::function<void()> passed) {
  state_->pool.Run([this, passed = std::move(passed)] {
    store::View(state_->context.core.store()).EventRange().IgnoreError();
    passed();
  });
}

void Server::Shutdown(absl::Duration grace) {
  state_->listener.reset();
  state_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  state_->server->Wait();
}

}  // namespace vx::service
