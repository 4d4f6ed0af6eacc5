// Whether guests run on the hardware (KVM) or are emulated (TCG).
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace vx::libvirt {

struct Accel {
  bool kvm = false;
  // What was seen, in a sentence; empty when the setting left no choice.
  std::string finding;

  const char* name() const { return kvm ? "kvm" : "tcg"; }
};

// `setting` is vm.accel: "auto" runs `probe_program` (vx-kvm-probe, at most some
// seconds), "kvm" and "tcg" are taken as they are. INVALID_ARGUMENT (BAD_ACCEL)
// for any other.
absl::StatusOr<Accel> ChooseAccel(const std::string& setting, const std::string& probe_program);

}  // namespace vx::libvirt
