#include "plugins/libvirt/domain.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>

#include <cstdlib>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/libvirt_error.h"

namespace vx::libvirt {
namespace {

// QEMU counts in pages, libvirt in KiB.
constexpr int64_t kBalloonSlack = 64 * 1024;

// Notices that a domain's balloon changed, from its making on.
class BalloonWatch {
 public:
  explicit BalloonWatch(virDomainPtr domain) : connection_(virDomainGetConnect(domain)) {
    auto* state = new std::shared_ptr<State>(state_);
    id_ = virConnectDomainEventRegisterAny(
        connection_, domain, VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, VIR_DOMAIN_EVENT_CALLBACK(Note),
        state, [](void* opaque) { delete static_cast<std::shared_ptr<State>*>(opaque); });
    if (id_ < 0) delete state;
  }
  ~BalloonWatch() {
    if (id_ >= 0) virConnectDomainEventDeregisterAny(connection_, id_);
  }
  BalloonWatch(const BalloonWatch&) = delete;
  BalloonWatch& operator=(const BalloonWatch&) = delete;

  // False when there was no change since the last call, by `deadline`.
  bool WaitChange(absl::Time deadline) {
    absl::MutexLock lock(&state_->mutex);
    state_->mutex.AwaitWithDeadline(absl::Condition(&state_->changed), deadline);
    return std::exchange(state_->changed, false);
  }

 private:
  // Outlives the watch where an event is under way.
  struct State {
    absl::Mutex mutex;
    bool changed ABSL_GUARDED_BY(mutex) = false;
  };

  static void Note(virConnectPtr, virDomainPtr, unsigned long long, void* opaque) {
    State& state = **static_cast<std::shared_ptr<State>*>(opaque);
    absl::MutexLock lock(&state.mutex);
    state.changed = true;
  }

  const virConnectPtr connection_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  int id_ = -1;
};

}  // namespace

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

absl::StatusOr<bool> Domain::IsStarved() {
  int state = 0, reason = 0;
  if (virDomainGetState(domain_.get(), &state, &reason, 0) < 0) {
    return LibvirtError("cannot ask for the VM's state");
  }
  return state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
}

absl::StatusOr<int64_t> Domain::Memory() {
  virDomainInfo info;
  if (virDomainGetInfo(domain_.get(), &info) < 0) {
    return LibvirtError("cannot ask for the VM's memory");
  }
  return static_cast<int64_t>(info.memory) * 1024;
}

absl::Status Domain::SetMemory(int64_t bytes, absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  BalloonWatch watch(domain_.get());
  if (virDomainSetMemoryFlags(domain_.get(), bytes / 1024, VIR_DOMAIN_AFFECT_LIVE) < 0) {
    return LibvirtError("cannot change the VM's memory");
  }
  while (true) {
    VX_ASSIGN_OR_RETURN(int64_t now, Memory());
    if (std::abs(now - bytes) <= kBalloonSlack) return absl::OkStatus();
    if (watch.WaitChange(deadline)) continue;
    return Error(absl::StatusCode::kDeadlineExceeded, "BALLOON",
                 absl::StrCat("the guest has ", now >> 20, " MiB and can't be brought to ",
                              bytes >> 20));
  }
}

absl::StatusOr<int> Domain::Processors() {
  const int count = virDomainGetVcpusFlags(domain_.get(), VIR_DOMAIN_AFFECT_LIVE);
  if (count > 0) return count;
  return LibvirtError("cannot ask for the VM's processors");
}

absl::StatusOr<int> Domain::MostProcessors() {
  const unsigned flags = static_cast<unsigned>(VIR_DOMAIN_AFFECT_LIVE) | VIR_DOMAIN_VCPU_MAXIMUM;
  const int count = virDomainGetVcpusFlags(domain_.get(), flags);
  if (count > 0) return count;
  return LibvirtError("cannot ask for the VM's processors");
}

absl::Status Domain::PlugProcessors(int count) {
  if (virDomainSetVcpusFlags(domain_.get(), count, VIR_DOMAIN_AFFECT_LIVE) == 0) {
    return absl::OkStatus();
  }
  return LibvirtError("cannot plug in processors");
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
