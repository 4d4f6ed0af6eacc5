// Programs that vxd starts and that outlive it, found again by the first argument that they
// were started with, which no other process has; never by a number alone.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "daemon/base/unique_fd.h"

namespace vx::network {

struct MarkedProcess {
  UniqueFd pidfd;
  std::vector<std::string> argv;
};

// The process when its argv[1] is `mark`; the one that was looked at is the one behind the
// descriptor.
std::optional<MarkedProcess> LookAt(pid_t pid, const std::string& mark);

// Ends it, with a few seconds' grace, and waits for that. DEADLINE_EXCEEDED
// (PROCESS_STAYS).
absl::Status End(const MarkedProcess& process);

// Takes note of the ends of programs called `name` (15 characters at most) that lost their
// parent and became ours, as such a one's do. For whom nobody else in this process waits.
void ReapAdopted(absl::string_view name);

// All that have the mark; fine when there are none.
absl::Status EndAllMarked(const std::string& mark);

}  // namespace vx::network
