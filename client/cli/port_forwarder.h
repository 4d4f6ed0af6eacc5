// Ports of this machine that lead to ports inside a workload, through the daemon.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/cli/context.h"
#include "daemon/base/unique_fd.h"

namespace vx::cli {

struct Forwarded {
  // 0: any that is free.
  int local = 0;
  int remote = 0;
};

// "8080:80", "80" (the same on both sides), ":80" (any that is free).
absl::StatusOr<Forwarded> ParseForwarded(const std::string& text);

// Listens, says so on stdout, and passes connections on until a signal comes.
int ForwardPorts(Context& context, const std::string& name, const std::string& address,
                 const std::vector<Forwarded>& ports);

}  // namespace vx::cli
