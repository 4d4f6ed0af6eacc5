// The part of the driver that lets VMs go on which found no room on the host's disk.
//
// QEMU stops a guest whose write found none: nothing that it wrote is lost, and the
// write is done again when it goes on.
#include <sys/statvfs.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "plugins/libvirt/driver.h"

namespace vx::libvirt {
namespace {

// So much has to be free before a guest is let go on.
constexpr uint64_t kRoom = uint64_t{8} << 20;

UniqueFd EverySecond() {
  UniqueFd timer(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const itimerspec second = {{1, 0}, {1, 0}};
  timerfd_settime(timer.get(), 0, &second, nullptr);
  return timer;
}

}  // namespace

bool LibvirtDriver::HasRoom(const std::string& uid) const {
  struct statvfs disk = {};
  return statvfs(paths_.disk(uid).c_str(), &disk) == 0 && disk.f_bavail * disk.f_frsize >= kRoom;
}

bool LibvirtDriver::LookAfterStarved(const Machine& machine) {
  auto domain = FindDomain(machine);
  if (!domain.ok() || !domain->IsStarved().value_or(false)) return false;
  if (machine.NoteStarved(true)) return true;
  UniqueFd timer = EverySecond();
  const int fd = timer.get();
  watcher_->Add(std::move(timer), [this, fd, weak = machine.weak_from_this()] {
    uint64_t times;
    (void)!read(fd, &times, sizeof times);
    auto self = weak.lock();
    if (self == nullptr || self->ended()) return false;
    if (!HasRoom(self->uid())) return true;
    self->NoteStarved(false);
    pool_->Run([this, uid = self->uid()] { Feed(uid); });
    return false;
  }).IgnoreError();
  return true;
}

// Unless somebody has paused it since, or let it go on.
void LibvirtDriver::Feed(const std::string& uid) {
  MachinePtr machine = Find(uid);
  if (!machine || machine->ended()) return;
  auto domain = FindDomain(*machine);
  if (!domain.ok() || !domain->IsStarved().value_or(false)) return;
  domain->Resume().IgnoreError();
  Tell(uid);
}

}  // namespace vx::libvirt
