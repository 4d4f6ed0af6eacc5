// The files by which what is inside finds names: /etc/resolv.conf and /etc/hosts, made for
// each run of what the workload has on its networks.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "vx/v1/workload.pb.h"

namespace vx::container {

// A file of the host in place of one inside.
struct FileInside {
  std::string source;
  std::string target;
};

// Writes them into `dir`. The host's own for a workload on the host's network; none for one
// that is on no network.
absl::StatusOr<std::vector<FileInside>> WriteNameFiles(const v1::Workload& workload,
                                                       const std::string& hostname,
                                                       const std::string& dir);

}  // namespace vx::container
