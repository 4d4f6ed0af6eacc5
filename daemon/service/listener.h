// The unix socket: accepts connections, notes who is there, and hands them to
// gRPC.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/service/peers.h"

namespace vx::service {

// Makes the listening socket at `path`: mode 0660, owned by the caller's user and
// by `group`; 0600 where there is no such group. A socket left by a dead daemon is replaced;
// FAILED_PRECONDITION (SOCKET_IN_USE) when one answers there.
absl::StatusOr<UniqueFd> BindSocket(const std::string& path, const std::string& group);

// Accepts in a thread of its own, from construction to destruction.
class Listener {
 public:
  // Takes over an accepted, non-blocking connection.
  using Handler = std::function<void(UniqueFd)>;

  // `peers` outlives it.
  Listener(UniqueFd socket, Peers& peers, Handler handler);
  ~Listener();

 private:
  void Loop();
  void AcceptOne();

  UniqueFd socket_;
  UniqueFd stop_;  // eventfd
  Peers& peers_;
  Handler handler_;
  int next_number_;
  std::thread thread_;
};

}  // namespace vx::service
