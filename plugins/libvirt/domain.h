// One libvirt domain.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

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
