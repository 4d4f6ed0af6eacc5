// A VM's process on the host.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"

namespace vx::libvirt {

struct QemuProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// The live QEMU of the domain `name`, by libvirt's pid file in `pid_dir`. NOT_FOUND
// when there is none; a recycled pid is not taken for it.
absl::StatusOr<QemuProcess> FindQemu(const std::string& pid_dir, const std::string& name);

// The process's parent, of a zombie too.
absl::StatusOr<pid_t> ParentOf(pid_t pid);

// Processor time and the share of memory that is the process's own (PSS).
absl::StatusOr<driver::Usage> ProcessUsage(pid_t pid);

}  // namespace vx::libvirt
