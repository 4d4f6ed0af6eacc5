// libvirt, as far as the driver needs it. No libvirt type leaves this file and
// domain.h.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugins/libvirt/domain.h"

struct _virConnect;

namespace vx::libvirt {

class EventLoop;

// An open connection with the event loop that it needs; there is one loop in a
// process. Thread-safe.
class Connection {
 public:
  // UNAVAILABLE (LIBVIRT_UNAVAILABLE) with libvirt's own words. "qemu:///embed" can
  // be open under one root only in the life of a process.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& uri);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Finds out what the emulator can do, seconds the first time; libvirt keeps it.
  absl::Status ProbeEmulator(const std::string& emulator, bool kvm);

  // Starts a transient domain whose processors don't run yet.
  absl::StatusOr<Domain> CreatePaused(const std::string& xml);

  // NOT_FOUND when there is no such domain.
  absl::StatusOr<Domain> Find(const std::string& name);

 private:
  struct Close {
    void operator()(_virConnect* connection) const;
  };

  Connection(std::shared_ptr<EventLoop> loop, _virConnect* connection);

  std::shared_ptr<EventLoop> loop_;
  std::unique_ptr<_virConnect, Close> connection_;
};

// What libvirt complained of last on this thread, as an error of ours with
// `what` before it.
absl::Status LibvirtError(const std::string& what);

// Keeps libvirt from writing to stderr. Before any other thread is started.
void QuietLibvirt();

}  // namespace vx::libvirt
