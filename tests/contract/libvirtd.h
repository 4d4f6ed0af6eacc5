// A libvirtd of the suite's own, to be stopped and killed: in the sandbox's mount
// namespace, over empty folders in place of the host's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "tests/contract/sandbox.h"

namespace vx::contract {

class Libvirtd {
 public:
  // Makes the folders; call once, in the sandbox. What it finds out about QEMU, in
  // seconds, is kept in `cache`, if that is not empty. NOT_FOUND where it is not
  // installed.
  static absl::StatusOr<std::unique_ptr<Libvirtd>> Make(const std::string& cache);
  // Stops it.
  ~Libvirtd();

  // Returns when it can be connected to. Fine when it runs.
  absl::Status Start();
  // Sends the signal, and waits for its end. Fine when it does not run.
  void Stop(int signal);

 private:
  Libvirtd() = default;
  // Puts an empty folder over it, and makes it where the host has none.
  absl::Status Cover(const char* folder);
  absl::Status KeepCache(const std::string& cache) const;

  // libvirtd waits until QEMUs that it asked what they can do are gone altogether.
  Init init_;
  std::vector<const char*> made_;
  std::vector<const char*> covered_;
  UniqueFd process_;
};

}  // namespace vx::contract
