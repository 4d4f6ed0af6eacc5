// The part of the driver that says what a VM uses: of the host, by its QEMU's group, and
// by its own account, where its agent answers.
#include "absl/time/clock.h"
#include "daemon/base/status_macros.h"
#include "plugins/cgroup/usage.h"
#include "plugins/libvirt/driver.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {
namespace {

// A guest that does not answer holds up nobody for long.
constexpr absl::Duration kGuestTimeout = absl::Seconds(1);

void SetPressure(const agent::v1::Pressure& from, v1::Pressure& to) {
  to.set_some_avg10(from.some_avg10());
  to.set_full_avg10(from.full_avg10());
}

// A guest says what it likes; it is not much.
v1::GuestUsage ToGuest(const agent::v1::Stats& stats) {
  v1::GuestUsage guest;
  const auto nanos = static_cast<int64_t>(stats.cpu_nanos());
  guest.mutable_cpu_time()->set_seconds(nanos / 1000000000);
  guest.mutable_cpu_time()->set_nanos(static_cast<int32_t>(nanos % 1000000000));
  guest.set_memory_total_bytes(static_cast<int64_t>(stats.memory_total_bytes()));
  guest.set_memory_available_bytes(static_cast<int64_t>(stats.memory_available_bytes()));
  guest.set_processes(stats.processes());
  guest.set_cpus(static_cast<int32_t>(stats.cpus()));
  for (const agent::v1::Disk& from : stats.disks()) {
    v1::GuestDisk& disk = *guest.add_disks();
    disk.set_mount_point(from.mount_point());
    disk.set_total_bytes(static_cast<int64_t>(from.total_bytes()));
    disk.set_used_bytes(static_cast<int64_t>(from.used_bytes()));
  }
  if (stats.has_cpu_pressure()) SetPressure(stats.cpu_pressure(), *guest.mutable_cpu_pressure());
  if (stats.has_memory_pressure()) {
    SetPressure(stats.memory_pressure(), *guest.mutable_memory_pressure());
  }
  if (stats.has_io_pressure()) SetPressure(stats.io_pressure(), *guest.mutable_io_pressure());
  return guest;
}

}  // namespace

absl::StatusOr<v1::Usage> LibvirtDriver::HostUsage(const Machine& machine) const {
  auto stats = qemu_groups_.Stats(machine.uid());
  if (!stats.ok()) return ProcessUsage(machine.qemu_pid());
  v1::Usage usage = cgroup::ToUsage(*stats);
  // QEMU's own, which are nobody's business.
  usage.clear_pids();
  usage.clear_pids_limit();
  return usage;
}

void LibvirtDriver::AddGuestUsage(const Machine& machine, v1::Usage& usage) const {
  const std::shared_ptr<AgentChannel> agent = machine.agent();
  if (agent == nullptr || !agent->ready() || IsPaused(machine)) return;
  agent::v1::Request request;
  request.mutable_get_stats();
  auto reply = agent->Ask(request, "stats", absl::Now() + kGuestTimeout);
  if (!reply.ok() || reply->error() != 0) return;
  *usage.mutable_guest() = ToGuest(reply->stats());
  usage.set_pids(usage.guest().processes());
}

absl::StatusOr<v1::Usage> LibvirtDriver::Stats(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  auto usage = HostUsage(*machine);
  // It has just ended.
  if (!usage.ok()) return FindRunning(uid).status().ok() ? usage : FindRunning(uid).status();
  if (auto workload = ReadWorkload(machine->dir()); workload.ok()) {
    usage->set_memory_limit_bytes(GuestMemory(workload->spec().resources()));
  }
  AddGuestUsage(*machine, *usage);
  return usage;
}

}  // namespace vx::libvirt
