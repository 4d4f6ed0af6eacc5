// What this host has for running VMs: the emulator, an accelerator, a kernel for
// guests, libvirt. Each is one check of `vxctl doctor`; all must be there.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "daemon/driver/driver.h"
#include "plugins/libvirt/accel.h"
#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/guest_kernel.h"
#include "plugins/libvirt/paths.h"
#include "plugins/libvirt/qemu_user.h"

namespace vx::libvirt {

// What every VM is made of.
struct Equipment {
  Accel accel;
  std::string emulator;
  GuestKernel kernel;
  BootFiles boot;
  // Of all QEMUs (qemu_user.h).
  gid_t qemu_group = 0;
  // Lives as long as the host does.
  Connection* connection = nullptr;
};

// Thread-safe.
class Host {
 public:
  Host(const driver::Environment& environment, const Paths& paths);

  // Looks for everything anew, which may take seconds.
  std::vector<v1::Check> Check();

  // What the last Check found. UNAVAILABLE (DRIVER_UNAVAILABLE) says what is
  // missing.
  absl::StatusOr<Equipment> equipment() const;
  // Whether libvirt answers, and so looks after domains, even where no VM can be
  // started.
  bool connected() const;

  const std::string& uri() const { return uri_; }

  // Is told of domains that were paused and go on.
  Listener& listener() { return *listener_; }

 private:
  v1::Check CheckEmulator(Equipment& found) const;
  v1::Check CheckAccel(Equipment& found) const;
  v1::Check CheckKernel(Equipment& found);
  v1::Check CheckLibvirt(Equipment& found);
  v1::Check CheckUser(Equipment& found) const;
  absl::Status LetUserPass(Equipment& found) const;
  absl::Status OpenLibvirt(const Equipment& found);

  const driver::Environment environment_;
  const Paths paths_;
  const std::string uri_;

  const std::shared_ptr<Listener> listener_ = std::make_shared<Listener>();

  // Held during a Check.
  absl::Mutex checking_;
  // That of `connection_` once it is open; it is never closed.
  std::atomic<Connection*> opened_ = nullptr;
  std::unique_ptr<Connection> connection_ ABSL_GUARDED_BY(checking_);
  bool pruned_ ABSL_GUARDED_BY(checking_) = false;

  mutable absl::Mutex mutex_;
  absl::StatusOr<Equipment> equipment_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::libvirt
