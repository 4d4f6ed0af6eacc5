// The gRPC server: all services over the unix socket.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/core/core.h"
#include "daemon/service/system_service.h"

namespace vx::service {

struct ServerOptions {
  // Listening socket (BindSocket, or from systemd).
  UniqueFd socket;
  // auth.operator_host_access
  bool operator_host_access = false;
  SystemFacts facts;
  // Has the daemon end and start again; returns at once, any thread.
  std::function<void()> restart;
};

// Serves from construction to destruction.
class Server {
 public:
  // `core` outlives it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(core::Core& core, ServerOptions options);
  ~Server();

  // Goes the way of a call, through the queue of calls and the store's lock, and
  // calls `passed` at its end, on a thread of the pool. Never, where either is stuck.
  void GoThrough(std::function<void()> passed);

  // Takes no new connections, and ends the calls in progress after `grace`.
  void Shutdown(absl::Duration grace);

 private:
  struct State;
  explicit Server(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vx::service
