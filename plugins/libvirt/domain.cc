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

// Notices events of a domain, from its making on.
class EventWatch {
 public:
  EventWatch(virDomainPtr domain, int event, virConnectDomainEventGenericCallback note)
      : connection_(virDomainGetConnect(domain)) {
    auto* state = new std::shared_ptr<State>(state_);
    id_ = virConnectDomainEventRegisterAny(
        connection_, domain, event, note, state,
        [](void* opaque) { delete static_cast<std::shared_ptr<State>*>(opaque); });
    if (id_ < 0) delete state;
  }
  ~EventWatch() {
    if (id_ >= 0) virConnectDomainEventDeregisterAny(connection_, id_);
  }
  EventWatch(const EventWatch&) = delete;
  EventWatch& operator=(const EventWatch&) = delete;

  // False when there was none since the last call, by `deadline`.
  bool Wait(absl::Time deadline) {
    absl::MutexLock lock(&state_->mutex);
    state_->mutex.AwaitWithDeadline(absl::Condition(&state_->noted), deadline);
    return std::exchange(state_->noted, false);
  }

  // For a callback, which is of a form of its own for each event.
  static void Note(void* opaque) {
    State& state = **static_cast<std::shared_ptr<State>*>(opaque);
    absl::MutexLock lock(&state.mutex);
    state.noted = true;
  }

 private:
  // Outlives the watch where an event is under way.
  struct State {
    absl::Mutex mutex;
    bool noted ABSL_GUARDED_BY(mutex) = false;
  };

  const virConnectPtr connection_;
  std::shared_ptr<State> state_ = std::make_shared<State>();
  int id_ = -1;
};

void OnBalloon(virConnectPtr, virDomainPtr, unsigned long long, void* opaque) {
  EventWatch::Note(opaque);
}

void OnDevice(virConnectPtr, virDomainPtr, const char*, void* opaque) { EventWatch::Note(opaque); }

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
  EventWatch watch(domain_.get(), VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE,
                   VIR_DOMAIN_EVENT_CALLBACK(OnBalloon));
  if (virDomainSetMemoryFlags(domain_.get(), bytes / 1024, VIR_DOMAIN_AFFECT_LIVE) < 0) {
    return LibvirtError("cannot change the VM's memory");
  }
  while (true) {
    VX_ASSIGN_OR_RETURN(int64_t now, Memory());
    if (std::abs(now - bytes) <= kBalloonSlack) return absl::OkStatus();
    if (watch.Wait(deadline)) continue;
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

absl::Status Domain::Attach(const std::string& xml) {
  if (virDomainAttachDeviceFlags(domain_.get(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) == 0) {
    return absl::OkStatus();
  }
  return LibvirtError("cannot plug in a device");
}

absl::Status Domain::Detach(const std::string& xml, absl::Duration timeout) {
  EventWatch watch(domain_.get(), VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED,
                   VIR_DOMAIN_EVENT_CALLBACK(OnDevice));
  const absl::Time deadline = absl::Now() + timeout;
  // Asked once more, it is not found when it has gone.
  do {
    if (virDomainDetachDeviceFlags(domain_.get(), xml.c_str(), VIR_DOMAIN_AFFECT_LIVE) < 0) {
      const int code = virGetLastError() == nullptr ? 0 : virGetLastError()->code;
      if (code == VIR_ERR_DEVICE_MISSING || code == VIR_ERR_OPERATION_FAILED) {
        return absl::OkStatus();
      }
      return LibvirtError("cannot take a device out");
    }
  } while (watch.Wait(deadline));
  return Error(absl::StatusCode::kDeadlineExceeded, "DEVICE_STAYS",
               "the guest does not let go of the device");
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
