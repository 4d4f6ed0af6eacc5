// Where the driver keeps things.
//
//   STATE/w/UID/     what survives a stop: config (the image's), root.qcow2, log,
//                    console (what the serial console said)
//   STATE/boot/      kernels and initramfs images, by content
//   STATE/cache/     what libvirt found out about QEMU
//   RUNTIME/r/UID/   one run: the shim's folder, and "workload"
//   RUNTIME/embed/   libvirt's own
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "daemon/driver/driver.h"

namespace vx::libvirt {

class Paths {
 public:
  explicit Paths(const driver::Environment& environment)
      : state_(environment.state_dir),
        runtime_(environment.runtime_dir),
        bin_(environment.bin_dir),
        cache_(environment.Option("vm.embed_cache", absl::StrCat(state_, "/cache"))) {}

  std::string bundles() const { return absl::StrCat(state_, "/w"); }
  std::string bundle(const std::string& uid) const { return absl::StrCat(state_, "/w/", uid); }
  std::string image_config(const std::string& uid) const { return bundle(uid) + "/config"; }
  std::string disk(const std::string& uid) const { return bundle(uid) + "/root.qcow2"; }
  std::string log(const std::string& uid) const { return bundle(uid) + "/log"; }
  std::string console(const std::string& uid) const { return bundle(uid) + "/console"; }

  std::string runs() const { return absl::StrCat(runtime_, "/r"); }
  std::string run(const std::string& uid) const { return absl::StrCat(runtime_, "/r/", uid); }

  std::string boot_files() const { return absl::StrCat(state_, "/boot"); }
  std::string embed_root() const { return absl::StrCat(runtime_, "/embed"); }
  // Shared between instances when vm.embed_cache says so.
  std::string embed_cache() const { return cache_; }

  std::string program(const std::string& name) const { return absl::StrCat(bin_, "/", name); }

 private:
  std::string state_;
  std::string runtime_;
  std::string bin_;
  std::string cache_;
};

}  // namespace vx::libvirt
