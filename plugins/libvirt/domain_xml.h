// What libvirt is told of a VM.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/libvirt/qemu_user.h"

namespace vx::libvirt {

// A network card. Its tap is made with the domain, is up, and goes with its QEMU.
struct Nic {
  // Of the tap, on the host.
  std::string host_link;
  std::string mac;
  // 0: the kernel's default.
  int mtu = 0;
};

// Folders and disks together: a device each.
inline constexpr int kMostShares = 16;

// A folder of the host, served by a virtiofsd.
struct DomainShare {
  std::string tag;
  // Where that listens.
  std::string socket;
};

// A disk beside the root.
struct DomainDisk {
  // By which the guest knows it.
  std::string serial;
  std::string path;
  // "raw" or "qcow2".
  std::string format;
  bool read_only = false;
};

struct DomainSpec {
  std::string name;
  // 32 hex digits.
  std::string uid;
  bool kvm = false;
  std::string emulator;
  std::string kernel;
  std::string initramfs;
  int64_t memory_bytes = 0;
  int vcpus = 1;
  // As many may be plugged in later; never less than `vcpus`.
  int most_vcpus = 1;
  // qcow2.
  std::string disk;
  // The disk goes with the workload: the guest's flushes need not reach it.
  bool disposable_disk = false;
  // Listening unix sockets of the shim.
  std::string output_socket;
  std::string console_socket;
  // Where QEMU's side of the agent's port listens; libvirt makes it. Empty: no such port.
  std::string agent_socket;
  // At most kMaxNics of plugins/agent/boot_network.h.
  std::vector<Nic> nics;
  // With any of these the guest's memory is one that its virtiofsds can map.
  std::vector<DomainShare> shares;
  std::vector<DomainDisk> disks;
  // Whom QEMU runs as.
  QemuUser user;
};

std::string DomainXml(const DomainSpec& spec);

// Of one more card for a domain that runs; its place is libvirt's choice.
std::string NicXml(const Nic& nic);

// 32 hex digits as 8-4-4-4-12.
std::string UuidOf(const std::string& uid);

// What the kernel is told.
std::string KernelCommandLine(bool kvm);

}  // namespace vx::libvirt
