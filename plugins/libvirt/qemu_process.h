// A VM's process on the host.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"

namespace vx::libvirt {

struct QemuProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
};

// The live process of libvirt's `pid_file`, if its command line has `mark` in it.
// NOT_FOUND otherwise; a recycled pid is not taken for it.
absl::StatusOr<QemuProcess> FindProcess(const std::string& pid_file, const std::string& mark);

// The live QEMU of the domain `name`, by libvirt's pid file in `pid_dir`. NOT_FOUND
// when there is none.
absl::StatusOr<QemuProcess> FindQemu(const std::string& pid_dir, const std::string& name);

// Kills the QEMU of a domain, if there is one, and waits for its end.
void EndQemu(const std::string& pid_dir, const std::string& name);

// Waits until libvirt has dropped the domain `name`, whose QEMU has ended: its pid
// file is the last that goes. False when it is still there after `timeout`.
bool WaitDropped(const std::string& pid_dir, const std::string& name, absl::Duration timeout);

// The process's parent, of a zombie too.
absl::StatusOr<pid_t> ParentOf(pid_t pid);

// Processor time, the share of memory that is the process's own (PSS), and what it read
// and wrote on block devices. Nothing of what is inside.
absl::StatusOr<v1::Usage> ProcessUsage(pid_t pid);

}  // namespace vx::libvirt
