#include "plugins/libvirt/domain.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include "plugins/libvirt/connection.h"

namespace vx::libvirt {

void Domain::Free::operator()(virDomainPtr domain) const { virDomainFree(domain); }

absl::Status Domain::Suspend() {
  if (virDomainSuspend(domain_.get()) == 0) return absl::OkStatus();
  return LibvirtError("cannot pause the VM");
}

absl::Status Domain::Resume() {
  if (virDomainResume(domain_.get()) == 0) return absl::OkStatus();
  const absl::Status error = LibvirtError("cannot resume the VM");
  auto paused = IsPaused();
  return paused.ok() && !*paused ? absl::OkStatus() : error;
}

absl::Status Domain::Destroy() {
  if (virDomainDestroy(domain_.get()) == 0) return absl::OkStatus();
  const int code = virGetLastError() == nullptr ? 0 : virGetLastError()->code;
  // One that was re-adopted says that it is not running.
  if (code == VIR_ERR_NO_DOMAIN || code == VIR_ERR_OPERATION_INVALID) return absl::OkStatus();
  return LibvirtError("cannot end the VM");
}

absl::StatusOr<bool> Domain::IsPaused() {
  int state = 0;
  if (virDomainGetState(domain_.get(), &state, nullptr, 0) < 0) {
    return LibvirtError("cannot ask for the VM's state");
  }
  return state == VIR_DOMAIN_PAUSED;
}

absl::Status Domain::WaitReconnected() {
  // A question to QEMU itself queues behind libvirt's reconnecting.
  virDomainMemoryStatStruct statistics[VIR_DOMAIN_MEMORY_STAT_NR];
  if (virDomainMemoryStats(domain_.get(), statistics, VIR_DOMAIN_MEMORY_STAT_NR, 0) >= 0) {
    return absl::OkStatus();
  }
  return LibvirtError("the VM does not answer");
}

}  // namespace vx::libvirt
