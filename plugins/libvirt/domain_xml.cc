#include "plugins/libvirt/domain_xml.h"

#include <algorithm>
#include <pugixml.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "plugins/agent/wire.h"
#include "plugins/shim/protocol.h"

namespace vx::libvirt {
namespace {

// Without a bound QEMU's cache of translated code grows past a guest's memory.
constexpr int kTranslationCacheMib = 64;

// Of PCI; q35 has its own devices in 0 and 31.
constexpr int kDiskSlot = 2, kSerialSlot = 3, kBalloonSlot = 4, kNicSlot = 5;
constexpr int kSpareCards = 2, kSpareSlot = 27;
// Folders and further disks share slots, so that all network cards have room too.
constexpr int kFirstShareSlot = 29, kFunctions = 8;

pugi::xml_node Text(pugi::xml_node parent, const char* name, const std::string& value) {
  pugi::xml_node node = parent.append_child(name);
  node.text().set(value.c_str());
  return node;
}

void Set(pugi::xml_node node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(value.c_str());
}

pugi::xml_node Child(pugi::xml_node parent, const char* name, const char* attribute,
                     const std::string& value) {
  pugi::xml_node node = parent.append_child(name);
  Set(node, attribute, value);
  return node;
}

void AddBoot(pugi::xml_node domain, const DomainSpec& spec) {
  pugi::xml_node os = domain.append_child("os");
  pugi::xml_node type = Text(os, "type", "hvm");
  Set(type, "arch", "x86_64");
  Set(type, "machine", "q35");
  Text(os, "kernel", spec.kernel);
  Text(os, "initrd", spec.initramfs);
  Text(os, "cmdline", KernelCommandLine(spec.kvm));
}

void AddProcessor(pugi::xml_node domain, const DomainSpec& spec) {
  pugi::xml_node features = domain.append_child("features");
  features.append_child("acpi");
  if (!spec.kvm) {
    pugi::xml_node cache =
        Text(features.append_child("tcg"), "tb-cache", absl::StrCat(kTranslationCacheMib));
    Set(cache, "unit", "MiB");
  }
  pugi::xml_node cpu = domain.append_child("cpu");
  if (spec.kvm) {
    Set(cpu, "mode", "host-passthrough");
    return;
  }
  Set(cpu, "mode", "custom");
  Set(cpu, "match", "exact");
  Set(cpu, "check", "none");
  Set(Text(cpu, "model", "qemu64"), "fallback", "allow");
}

// On the root bus: bridges before devices cost a guest's start time.
pugi::xml_node SetSlot(pugi::xml_node device, int slot, int function = 0) {
  pugi::xml_node address = Child(device, "address", "type", "pci");
  Set(address, "domain", "0x0000");
  Set(address, "bus", "0x00");
  Set(address, "slot", absl::StrCat("0x", absl::Hex(slot, absl::kZeroPad2)));
  Set(address, "function", absl::StrCat("0x", absl::Hex(function)));
  return address;
}

// The Nth of the devices that share slots.
void SetShared(pugi::xml_node device, int n) {
  const int function = n % kFunctions;
  pugi::xml_node address = SetSlot(device, kFirstShareSlot + n / kFunctions, function);
  if (function == 0) Set(address, "multifunction", "on");
}

void AddDisk(pugi::xml_node devices, const DomainSpec& spec) {
  pugi::xml_node disk = Child(devices, "disk", "type", "file");
  Set(disk, "device", "disk");
  pugi::xml_node driver = Child(disk, "driver", "name", "qemu");
  Set(driver, "type", "qcow2");
  Set(driver, "cache", spec.disposable_disk ? "unsafe" : "writeback");
  Set(driver, "discard", "unmap");
  Child(disk, "source", "file", spec.disk);
  Set(Child(disk, "target", "dev", "vda"), "bus", "virtio");
  SetSlot(disk, kDiskSlot);
}

pugi::xml_node AddSocket(pugi::xml_node devices, const char* device, const char* mode,
                         const std::string& path) {
  pugi::xml_node node = Child(devices, device, "type", "unix");
  Set(Child(node, "source", "mode", mode), "path", path);
  return node;
}

void AddChannel(pugi::xml_node devices, const char* port, const char* mode,
                const std::string& path) {
  pugi::xml_node channel = AddSocket(devices, "channel", mode, path);
  Set(Child(channel, "target", "type", "virtio"), "name", port);
}

void AddPorts(pugi::xml_node devices, const DomainSpec& spec) {
  AddSocket(devices, "serial", "connect", spec.console_socket);
  // The agent waits for its output port: the other is there by then.
  if (!spec.agent_socket.empty()) AddChannel(devices, agent::kAgentPort, "bind", spec.agent_socket);
  AddChannel(devices, shim::kOutputPort, "connect", spec.output_socket);
}

// Gives pages that the guest does not use back to the host by itself. What it was told
// to give up it does not take again when it runs short: memory that was taken is.
void AddBalloon(pugi::xml_node devices) {
  pugi::xml_node balloon = Child(devices, "memballoon", "model", "virtio");
  Set(balloon, "autodeflate", "off");
  Set(balloon, "freePageReporting", "on");
  SetSlot(balloon, kBalloonSlot);
}

// No boot from the network: its ROM would cost start time.
pugi::xml_node AddNic(pugi::xml_node devices, const Nic& nic) {
  pugi::xml_node card = Child(devices, "interface", "type", "ethernet");
  Child(card, "mac", "address", nic.mac);
  Set(Child(card, "target", "dev", nic.host_link), "managed", "yes");
  Child(card, "model", "type", "virtio");
  if (nic.mtu > 0) Child(card, "mtu", "size", absl::StrCat(nic.mtu));
  Child(card, "rom", "enabled", "no");
  return card;
}

// The root bus takes no card while the machine runs; below each of these there is room for
// one. Behind the devices, where they cost the guest's start least.
void AddRoomForCards(pugi::xml_node devices) {
  for (int i = 0; i < kSpareCards; ++i) {
    pugi::xml_node port = Child(devices, "controller", "type", "pci");
    // 0 is the root bus.
    Set(port, "index", absl::StrCat(i + 1));
    Set(port, "model", "pcie-root-port");
    SetSlot(port, kSpareSlot + i);
  }
}

// virtiofsd reads and writes the guest's memory itself.
void AddSharedMemory(pugi::xml_node domain) {
  pugi::xml_node backing = domain.append_child("memoryBacking");
  Child(backing, "source", "type", "memfd");
  Child(backing, "access", "mode", "shared");
}

void AddMoreDisks(pugi::xml_node devices, const std::vector<DomainDisk>& disks, int place) {
  char letter = 'b';
  for (const DomainDisk& more : disks) {
    pugi::xml_node disk = Child(devices, "disk", "type", "file");
    Set(disk, "device", "disk");
    pugi::xml_node driver = Child(disk, "driver", "name", "qemu");
    Set(driver, "type", more.format);
    Set(driver, "cache", "writeback");
    Set(driver, "discard", "unmap");
    Child(disk, "source", "file", more.path);
    Set(Child(disk, "target", "dev", std::string("vd") + letter++), "bus", "virtio");
    if (more.read_only) disk.append_child("readonly");
    Text(disk, "serial", more.serial);
    SetShared(disk, place++);
  }
}

void AddShares(pugi::xml_node devices, const std::vector<DomainShare>& shares) {
  int place = 0;
  for (const DomainShare& share : shares) {
    pugi::xml_node filesystem = Child(devices, "filesystem", "type", "mount");
    Set(Child(filesystem, "driver", "type", "virtiofs"), "queue", "1024");
    Child(filesystem, "source", "socket", share.socket);
    Child(filesystem, "target", "dir", share.tag);
    SetShared(filesystem, place++);
  }
}

void AddDevices(pugi::xml_node domain, const DomainSpec& spec) {
  pugi::xml_node devices = domain.append_child("devices");
  Text(devices, "emulator", spec.emulator);
  AddDisk(devices, spec);
  Set(Child(devices, "controller", "type", "usb"), "model", "none");
  SetSlot(Child(devices, "controller", "type", "virtio-serial"), kSerialSlot);
  int slot = kNicSlot;
  for (const Nic& nic : spec.nics) SetSlot(AddNic(devices, nic), slot++);
  if (!spec.nics.empty()) AddRoomForCards(devices);
  AddPorts(devices, spec);
  AddShares(devices, spec.shares);
  AddMoreDisks(devices, spec.disks, static_cast<int>(spec.shares.size()));
  AddBalloon(devices);
}

// Nothing is relabelled: bases are shared, and what is a VM's own was handed to it.
void AddUser(pugi::xml_node domain, const QemuUser& user) {
  pugi::xml_node label = Child(domain, "seclabel", "type", "static");
  Set(label, "model", "dac");
  Set(label, "relabel", "no");
  Text(label, "label", absl::StrCat("+", user.uid, ":+", user.gid));
}

}  // namespace

std::string UuidOf(const std::string& uid) {
  return absl::StrCat(uid.substr(0, 8), "-", uid.substr(8, 4), "-", uid.substr(12, 4), "-",
                      uid.substr(16, 4), "-", uid.substr(20));
}

std::string KernelCommandLine(bool kvm) {
  // Emulated, the kernel's self-tests and mitigations cost a second and protect
  // nothing that the emulator doesn't.
  const char* const kEmulated =
      " tsc=reliable no_timer_check noreplace-smp mitigations=off cryptomgr.notests nokaslr";
  return absl::StrCat("console=ttyS0 panic=-1 quiet 8250.nr_uarts=1 reboot=t",
                      kvm ? "" : kEmulated);
}

std::string NicXml(const Nic& nic) {
  pugi::xml_document document;
  AddNic(document, nic);
  std::ostringstream text;
  document.save(text, "", pugi::format_raw | pugi::format_no_declaration);
  return text.str();
}

std::string DomainXml(const DomainSpec& spec) {
  pugi::xml_document document;
  pugi::xml_node domain = Child(document, "domain", "type", spec.kvm ? "kvm" : "qemu");
  Text(domain, "name", spec.name);
  Text(domain, "uuid", UuidOf(spec.uid));
  Set(Text(domain, "memory", absl::StrCat(spec.memory_bytes / 1024)), "unit", "KiB");
  if (!spec.shares.empty()) AddSharedMemory(domain);
  Set(Text(domain, "vcpu", absl::StrCat(std::max(spec.vcpus, spec.most_vcpus))), "current",
      absl::StrCat(spec.vcpus));
  AddBoot(domain, spec);
  AddProcessor(domain, spec);
  Text(domain, "on_poweroff", "destroy");
  Text(domain, "on_reboot", "destroy");
  Text(domain, "on_crash", "destroy");
  AddDevices(domain, spec);
  AddUser(domain, spec.user);
  std::ostringstream xml;
  document.save(xml, "  ", pugi::format_indent | pugi::format_no_declaration);
  return xml.str();
}

}  // namespace vx::libvirt
