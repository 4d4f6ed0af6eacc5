// The part of the driver that plugs networks into what runs. A guest gets a card more, which
// its kernel notices and its agent configures.
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/agent/boot_network.h"
#include "plugins/libvirt/bundle.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/driver.h"

namespace vx::libvirt {
namespace {

// How long a guest may take to notice a card, and to let go of one.
constexpr absl::Duration kNotice = absl::Seconds(10);
constexpr absl::Duration kLookAgain = absl::Milliseconds(20);

Nic CardOf(const v1::NetworkAttachment& attachment) {
  return {attachment.host_link(), attachment.mac(), attachment.mtu()};
}

absl::Status StopFirst(const std::string& why) {
  return Error(absl::StatusCode::kFailedPrecondition, "STOP_FIRST", why,
               "stop it first; the next start plugs it in");
}

}  // namespace

absl::StatusOr<UniqueFd> LibvirtDriver::OpenNetns(const std::string& uid) {
  VX_RETURN_IF_ERROR(FindRunning(uid).status());
  return UniqueFd();
}

absl::StatusOr<driver::Endpoint> LibvirtDriver::Plug(const std::string& uid,
                                                     const v1::NetworkAttachment& attachment) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  if (IsPaused(*machine)) {
    return StopFirst(absl::StrCat("workload ", uid, " is paused: its guest can't take a card"));
  }
  VX_ASSIGN_OR_RETURN(v1::Workload booted, ReadWorkload(machine->dir()));
  if (booted.status().networks_size() == 0 || machine->agent() == nullptr) {
    return StopFirst(absl::StrCat("workload ", uid,
                                  " booted without networks: its guest has no driver for a card"));
  }
  for (const v1::NetworkAttachment& one : booted.status().networks()) {
    if (one.mac() != attachment.mac()) continue;
    return StopFirst(absl::StrCat("workload ", uid, " has the card still that it had on network ",
                                  attachment.network(), " when it booted"));
  }
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(*machine));
  const absl::Status attached = domain.Attach(NicXml(CardOf(attachment)));
  if (absl::StrContains(attached.message(), "available PCI slots")) {
    return StopFirst(absl::StrCat("workload ", uid, " has no room for another card while it runs"));
  }
  VX_RETURN_IF_ERROR(attached);
  driver::Endpoint endpoint;
  endpoint.tap = attachment.host_link();
  return endpoint;
}

// Until the guest's kernel has found the card.
absl::Status LibvirtDriver::Configure(const std::string& uid,
                                      const v1::NetworkAttachment& attachment) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  const std::shared_ptr<AgentChannel> agent = machine->agent();
  const absl::Time deadline = absl::Now() + kNotice;
  agent::v1::Request request;
  request.mutable_configure_link()->set_nic(agent::EncodeNic(ToNic(attachment)));
  while (agent != nullptr) {
    VX_ASSIGN_OR_RETURN(agent::v1::Reply reply, agent->Ask(request, "links", deadline));
    if (reply.error() == 0) return absl::OkStatus();
    if (reply.error() != ENODEV || absl::Now() > deadline) {
      return ErrnoError(reply.error(), absl::StrCat("configure ", attachment.guest_link(),
                                                    " in the guest of workload ", uid, ": ",
                                                    reply.message()));
    }
    absl::SleepFor(kLookAgain);
  }
  return StopFirst(absl::StrCat("the guest of workload ", uid, " has no agent"));
}

absl::Status LibvirtDriver::TakeDown(const Machine& machine,
                                     const v1::NetworkAttachment& attachment) const {
  const std::shared_ptr<AgentChannel> agent = machine.agent();
  if (agent == nullptr) return StopFirst("the guest has no agent");
  agent::v1::Request request;
  request.mutable_configure_link()->set_nic(agent::EncodeNic(ToNic(attachment)));
  request.mutable_configure_link()->set_down(true);
  VX_ASSIGN_OR_RETURN(agent::v1::Reply reply, agent->Ask(request, "links", absl::Now() + kNotice));
  if (reply.error() == 0) return absl::OkStatus();
  return ErrnoError(reply.error(), absl::StrCat("take ", attachment.guest_link(), " down"));
}

absl::Status LibvirtDriver::Unplug(const std::string& uid,
                                   const v1::NetworkAttachment& attachment) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  if (IsPaused(*machine)) {
    return StopFirst(absl::StrCat("workload ", uid, " is paused: its guest can't give a card up"));
  }
  VX_ASSIGN_OR_RETURN(v1::Workload booted, ReadWorkload(machine->dir()));
  for (const v1::NetworkAttachment& one : booted.status().networks()) {
    // It is on the root bus, where it stays until the next start.
    if (one.mac() == attachment.mac()) return TakeDown(*machine, attachment);
  }
  VX_ASSIGN_OR_RETURN(Domain domain, FindDomain(*machine));
  return domain.Detach(NicXml(CardOf(attachment)), kNotice);
}

}  // namespace vx::libvirt
