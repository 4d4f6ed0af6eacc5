// One libvirt domain.
#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

struct _virDomain;

namespace vx::libvirt {

// A handle; not thread-safe itself, though any number may be made of one domain.
class Domain {
 public:
  // Takes a reference.
  explicit Domain(_virDomain* domain) : domain_(domain) {}

  // Fine when it is so already.
  absl::Status Suspend();
  absl::Status Resume();

  // Ends it; fine when it is gone already.
  absl::Status Destroy();

  // NOT_FOUND when it is gone.
  absl::StatusOr<bool> IsPaused();
  // Paused because the host could not write to its disk.
  absl::StatusOr<bool> IsStarved();

  // Bytes that the guest has, without what its balloon holds.
  absl::StatusOr<int64_t> Memory();
  // Has the balloon take or give until the guest has `bytes`, never more than it booted
  // with; returns when it does. DEADLINE_EXCEEDED (BALLOON) when a guest that uses more
  // gave back less within `timeout`.
  absl::Status SetMemory(int64_t bytes, absl::Duration timeout);

  // Processors that are plugged in, and how many there may be.
  absl::StatusOr<int> Processors();
  absl::StatusOr<int> MostProcessors();
  // Plugs in more; the guest has to put them to use.
  absl::Status PlugProcessors(int count);

  // Plugs a device in, given as its XML; the guest has to notice.
  absl::Status Attach(const std::string& xml);
  // Takes one out: returns when the guest has let go of it. DEADLINE_EXCEEDED
  // (DEVICE_STAYS). Fine when it is not there.
  absl::Status Detach(const std::string& xml, absl::Duration timeout);

  // Returns when libvirt is on speaking terms with the domain's QEMU, which after
  // an opening takes a moment; an error when it is gone.
  absl::Status WaitReconnected();

 private:
  struct Free {
    void operator()(_virDomain* domain) const;
  };

  std::unique_ptr<_virDomain, Free> domain_;
};

}  // namespace vx::libvirt
