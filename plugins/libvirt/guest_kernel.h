// The kernel that guests boot, and the initramfs that goes with it. Both are
// copied to a cache of ours, named by their content, so that an upgrade of the
// host's packages never pulls a file from under a guest that is starting.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::libvirt {

struct GuestKernel {
  // Of the host: /boot/vmlinuz-6.1.0-9-cloud-amd64.
  std::string path;
  // Its folder of modules.
  std::string modules;
  std::string version;
};

// Where to look; other folders for tests.
struct KernelFolders {
  std::string boot = "/boot";
  std::string modules = "/lib/modules";
};

// `setting` is vm.kernel: a path, or empty for the newest kernel in /boot whose
// modules are there, cloud kernels first. NOT_FOUND (NO_GUEST_KERNEL).
absl::StatusOr<GuestKernel> FindGuestKernel(const std::string& setting,
                                            const KernelFolders& folders = {});

// True when version `a` is older than `b`, numbers compared as numbers.
bool OlderVersion(const std::string& a, const std::string& b);

// What QEMU is given.
struct BootFiles {
  std::string kernel;
  std::string initramfs;
  // The same with what a guest needs for folders of the host; empty: its kernel can't.
  std::string sharing_initramfs;
};

// Puts the kernel, and an initramfs with `agent` as its /init and the modules
// that a guest needs, into `cache_dir` where they aren't there yet.
absl::StatusOr<BootFiles> MakeBootFiles(const GuestKernel& kernel, const std::string& agent,
                                        const std::string& cache_dir);

// Removes what is in `cache_dir` besides `keep`.
absl::Status PruneBootFiles(const std::string& cache_dir, const BootFiles& keep);

// Files of modules, in loading order.
struct GuestModules {
  // For every guest.
  std::vector<std::string> boot;
  // For one with network cards, after the others. None where the kernel has them built
  // in, or has none.
  std::vector<std::string> network;
};

// The archive, for the tests.
absl::StatusOr<std::string> BuildInitramfs(const std::string& agent, const GuestModules& modules);

}  // namespace vx::libvirt
