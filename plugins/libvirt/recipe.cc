#include "plugins/libvirt/recipe.h"

#include <algorithm>
#include <thread>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "plugins/agent/boot_network.h"
#include "plugins/shim/protocol.h"

namespace vx::libvirt {
namespace {

constexpr const char* kCapabilities[] = {"pause",  "logs",    "stats",      "exec",
                                         "attach", "console", "update-live"};

// A spec says how much a command may reach of the host's kernel; in a VM there is none of
// it to reach.
void CheckConfinement(const v1::WorkloadSpec& spec, std::vector<FieldViolation>& out) {
  const v1::Resources& resources = spec.resources();
  const struct {
    bool given;
    const char* field;
    const char* why;
  } refusals[] = {
      {spec.privileged(), "spec.privileged",
       "a VM has a kernel of its own, where the command is root already; leave it out"},
      {spec.has_security(), "spec.security",
       "what a command may ask of the host's kernel is limited for containers; a VM's kernel is "
       "its own"},
      {spec.devices_size() > 0, "spec.devices",
       "a VM has devices of its own; the host's are for containers"},
      {resources.has_memory_reservation_bytes(), "spec.resources.memory_reservation_bytes",
       "a VM's memory is its own and not taken back; leave it out"},
      {resources.has_swap_bytes(), "spec.resources.swap_bytes",
       "a VM swaps by itself, to disks of its own; leave it out"}};
  for (const auto& refusal : refusals) {
    if (refusal.given) out.push_back({refusal.field, refusal.why});
  }
}

}  // namespace

std::vector<FieldViolation> CheckSpec(const v1::WorkloadSpec& spec) {
  const v1::Resources& resources = spec.resources();
  std::vector<FieldViolation> violations;
  if (resources.has_memory_bytes() && resources.memory_bytes() < kMinMemory) {
    violations.push_back(
        {"spec.resources.memory_bytes", absl::StrCat("a VM needs at least 80 MiB of memory, not ",
                                                     resources.memory_bytes(), " bytes")});
  }
  if (resources.has_pids()) {
    violations.push_back({"spec.resources.pids",
                          "a VM's processes can't be limited, its kernel counts for itself; limit "
                          "its memory instead"});
  }
  if (resources.has_cpus() && !(resources.cpus() >= kMinCpus)) {
    violations.push_back({"spec.resources.cpus", "a VM needs at least 0.01 cpus"});
  }
  if (spec.mounts_size() > kMostShares) {
    violations.push_back({"spec.mounts", absl::StrCat("a VM has room for ", kMostShares,
                                                      " volumes and host paths, not ",
                                                      spec.mounts_size())});
  }
  if (resources.has_disk_bytes() && resources.disk_bytes() <= 0) {
    violations.push_back({"spec.resources.disk_bytes", "a disk has at least one byte"});
  }
  if (spec.networks_size() > static_cast<int>(agent::kMaxNics)) {
    violations.push_back({"spec.networks", absl::StrCat("a VM has room for ", agent::kMaxNics,
                                                        " network cards, not for ",
                                                        spec.networks_size())});
  }
  if (spec.networks_size() > 0 && spec.networks(0) == "host") {
    violations.push_back({"spec.networks", "a VM has a network of its own and can't be given the "
                                           "host's: use a network, or a bridge of the host's "
                                           "(vxctl network create --host-bridge)"});
  }
  CheckConfinement(spec, violations);
  return violations;
}

DomainSpec MakeDomainSpec(const Machine& machine, const v1::Workload& workload, const Paths& paths,
                          const Equipment& equipment) {
  const v1::Resources& resources = workload.spec().resources();
  DomainSpec spec;
  spec.name = machine.name();
  spec.uid = workload.uid();
  spec.kvm = equipment.accel.kvm;
  spec.emulator = equipment.emulator;
  spec.kernel = equipment.boot.kernel;
  spec.initramfs = equipment.boot.initramfs;
  spec.memory_bytes = GuestMemory(resources);
  spec.vcpus = VirtualCpus(resources);
  spec.most_vcpus = std::max<int>(spec.vcpus, std::thread::hardware_concurrency());
  spec.disk = paths.disk(workload.uid());
  spec.disposable_disk = workload.spec().remove_on_exit();
  spec.output_socket = absl::StrCat(machine.dir(), "/", shim::kOutputSocket);
  spec.console_socket = absl::StrCat(machine.dir(), "/", shim::kConsoleSocket);
  spec.agent_socket = absl::StrCat(machine.dir(), "/", kAgentSocket);
  for (const v1::NetworkAttachment& attachment : workload.status().networks()) {
    spec.nics.push_back({attachment.host_link(), attachment.mac(), attachment.mtu()});
  }
  return spec;
}

v1::DriverInfo Describe(const Host& host) {
  v1::DriverInfo info;
  info.set_name("libvirt");
  info.set_kind(v1::KIND_VM);
  for (const char* capability : kCapabilities) info.add_capabilities(capability);
  (*info.mutable_facts())["uri"] = host.uri();
  auto equipment = host.equipment();
  if (!equipment.ok()) {
    info.set_state(v1::DRIVER_STATE_UNAVAILABLE);
    info.set_reason(std::string(equipment.status().message()));
    info.set_hint(ErrorHint(equipment.status()));
    return info;
  }
  info.set_state(v1::DRIVER_STATE_READY);
  (*info.mutable_facts())["accel"] = equipment->accel.name();
  (*info.mutable_facts())["emulator"] = equipment->emulator;
  (*info.mutable_facts())["kernel"] = equipment->kernel.path;
  return info;
}

}  // namespace vx::libvirt
