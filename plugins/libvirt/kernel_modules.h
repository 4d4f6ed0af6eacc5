// Which files of /lib/modules/VERSION a guest needs, and in which order.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vx::libvirt {

class KernelModules {
 public:
  // Reads modules.dep and modules.builtin (depmod(8)) of a folder such as
  // /lib/modules/6.1.0-amd64. NOT_FOUND when it has none.
  static absl::StatusOr<KernelModules> Open(const std::string& dir);
  // From the two files' contents.
  static KernelModules Parse(const std::string& dir, absl::string_view dep,
                             absl::string_view builtin);

  // Absolute paths of the modules called `names` and of all that they need, each
  // once, in an order in which they can be loaded. What is built into the kernel
  // needs nothing. NOT_FOUND (NO_MODULE) for a name that the kernel lacks.
  absl::StatusOr<std::vector<std::string>> Resolve(const std::vector<std::string>& names) const;

 private:
  struct Module {
    std::string path;  // relative to dir_
    std::vector<std::string> needs;
  };

  std::string dir_;
  std::map<std::string, Module> modules_;  // by name
  std::set<std::string> builtin_;
};

// "kernel/drivers/char/hw_random/virtio-rng.ko.xz" -> "virtio_rng".
std::string ModuleName(absl::string_view path);

// The content of a module's file, decompressed when its name says gz, xz or zst.
absl::StatusOr<std::string> ReadModule(const std::string& path);

}  // namespace vx::libvirt
