// The part of the driver that changes what a running VM may use.
//
// Memory goes down and up again, within what the guest booted with, by its balloon.
// Fewer cpus are a quota, at once; more are processors that are plugged in and that the
// guest's agent puts to use. The cgroup around QEMU follows.
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/driver.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {
namespace {

// How long a guest may take to give memory back.
constexpr absl::Duration kBalloon = absl::Seconds(10);
// How long its kernel may take to start processors.
constexpr absl::Duration kOnline = absl::Seconds(10);
constexpr absl::Duration kLookAgain = absl::Milliseconds(20);

absl::Status StopFirst(const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "STOP_FIRST", why,
               "stop it first; the next start takes the new limits");
}

}  // namespace

absl::Status LibvirtDriver::Update(const std::string& uid, const v1::Resources& resources) {
  MachinePtr machine = Find(uid);
  if (!machine || machine->ended()) return absl::OkStatus();
  const absl::Status status = UpdateRunning(*machine, resources);
  // One that has ended meanwhile takes them at the next start.
  return machine->ended() ? absl::OkStatus() : status;
}

absl::Status LibvirtDriver::UpdateRunning(const Machine& machine, const v1::Resources& resources) {
  VX_ASSIGN_OR_RETURN(v1::Workload booted, ReadWorkload(machine.dir()));
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(machine));
  VX_ASSIGN_OR_RETURN(int vcpus, domain.Processors());
  const int wanted = VirtualCpus(resources);
  const int64_t most_memory = GuestMemory(booted.spec().resources());
  if (GuestMemory(resources) > most_memory) {
    return StopFirst(absl::StrCat("the VM booted with ", most_memory >> 20,
                                  " MiB of memory and can't be given more while it runs"));
  }
  if (wanted > vcpus) VX_RETURN_IF_ERROR(PlugProcessors(machine, domain, wanted));
  VX_RETURN_IF_ERROR(SetMemory(machine, domain, GuestMemory(resources)));
  return qemu_groups_.Update(machine.uid(), resources, std::max(wanted, vcpus));
}

absl::Status LibvirtDriver::PlugProcessors(const Machine& machine, Domain& domain, int wanted) {
  VX_ASSIGN_OR_RETURN(int most, domain.MostProcessors());
  if (wanted > most) {
    return StopFirst(absl::StrCat("the VM booted with room for ", most,
                                  " processors and can't be given more while it runs"));
  }
  VX_RETURN_IF_ERROR(domain.PlugProcessors(wanted));
  return UseProcessors(machine, wanted);
}

// The agent puts them to use when its kernel tells of them; asking makes sure.
absl::Status LibvirtDriver::UseProcessors(const Machine& machine, int wanted) const {
  const std::shared_ptr<AgentChannel> agent = machine.agent();
  const absl::Time deadline = absl::Now() + kOnline;
  agent::v1::Request request;
  request.mutable_online_cpus();
  while (agent != nullptr) {
    VX_ASSIGN_OR_RETURN(agent::v1::Reply reply, agent->Ask(request, "cpus", deadline));
    if (reply.onlined_cpus().cpus() >= static_cast<uint32_t>(wanted)) return absl::OkStatus();
    if (absl::Now() > deadline) break;
    absl::SleepFor(kLookAgain);
  }
  return Error(absl::StatusCode::kDeadlineExceeded, "CPUS_NOT_USED",
               absl::StrCat("the guest of workload ", machine.uid(), " has been given ", wanted,
                            " processors and does not use them all"),
               "see what its console says: vxctl logs --console");
}

// The bound is never below what the guest may have.
absl::Status LibvirtDriver::SetMemory(const Machine& machine, Domain& domain, int64_t bytes) {
  VX_ASSIGN_OR_RETURN(int64_t before, domain.Memory());
  if (before == bytes) return absl::OkStatus();
  if (IsPaused(machine)) {
    return Error(absl::StatusCode::kFailedPrecondition, "LIMITS_REFUSED",
                 absl::StrCat("workload ", machine.uid(),
                              " is paused: its guest can neither give memory back nor take it"),
                 "resume it first");
  }
  if (bytes > before) VX_RETURN_IF_ERROR(qemu_groups_.BoundMemory(machine.uid(), bytes));
  const absl::Status status = domain.SetMemory(bytes, kBalloon);
  if (status.ok()) return status;
  if (bytes < before) domain.SetMemory(before, absl::ZeroDuration()).IgnoreError();
  if (!absl::IsDeadlineExceeded(status)) return status;
  return Error(absl::StatusCode::kFailedPrecondition, "LIMITS_REFUSED",
               absl::StrCat("the guest of workload ", machine.uid(), " uses more than ",
                            bytes >> 20, " MiB, and keeps it: ", status.message()),
               "take less from it, or stop it first");
}

}  // namespace vx::libvirt
