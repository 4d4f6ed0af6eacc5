// libvirt, as far as the driver needs it. No libvirt type leaves this file and
// domain.h.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "plugins/libvirt/domain.h"
#include "plugins/libvirt/listener.h"

struct _virConnect;

namespace vx::libvirt {

class EventLoop;

// A connection with the event loop that it needs; there is one loop in a process. When
// libvirtd goes away under it, every call is UNAVAILABLE (LIBVIRT_UNAVAILABLE), and the
// first one after it came back opens the connection again. A Domain is of the
// connection that it came from: ask for it anew each time. Thread-safe.
class Connection {
 public:
  // UNAVAILABLE (LIBVIRT_UNAVAILABLE) with libvirt's own words. "qemu:///embed" can
  // be open under one root only in the life of a process.
  // `listener` is told of domains that were paused and go on.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const std::string& uri,
                                                          std::shared_ptr<Listener> listener);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Whether libvirt answers; tries to open it again where it did not.
  bool Answers();

  // Finds out what the emulator can do, seconds the first time; libvirt keeps it.
  absl::Status ProbeEmulator(const std::string& emulator, bool kvm);

  // Starts a transient domain whose processors don't run yet.
  absl::StatusOr<Domain> CreatePaused(const std::string& xml);

  // NOT_FOUND when there is no such domain.
  absl::StatusOr<Domain> Find(const std::string& name);

 private:
  using Handle = std::shared_ptr<_virConnect>;

  Connection(std::shared_ptr<EventLoop> loop, std::string uri, std::shared_ptr<Listener> listener);
  absl::StatusOr<Handle> OpenHandle() const;
  // Open, as far as one can know.
  absl::StatusOr<Handle> Get();

  const std::shared_ptr<EventLoop> loop_;
  const std::string uri_;
  const std::shared_ptr<Listener> listener_;
  absl::Mutex mutex_;
  Handle handle_ ABSL_GUARDED_BY(mutex_);
};

// Keeps libvirt from writing to stderr. Before any other thread is started.
void QuietLibvirt();

}  // namespace vx::libvirt
