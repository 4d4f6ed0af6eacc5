// System-call filters: an OCI profile becomes a BPF program, once.
#pragma once

#include <linux/filter.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// What the kernel takes; empty: no filter.
using SeccompProgram = std::vector<sock_filter>;

// Translates linux.seccomp. System calls that this machine does not have are
// left out. INVALID_ARGUMENT (BAD_CONFIG) names what makes no sense.
absl::StatusOr<SeccompProgram> CompileSeccomp(const nlohmann::json& profile);

// The program of a profile file: that of PATH.bpf, or else compiled and kept
// there. (Compiling takes 10 ms, loading a compiled one 0.1 ms.)
absl::StatusOr<SeccompProgram> LoadSeccomp(const std::string& profile_path);

// A container's own: of its vx.seccomp, or else of its linux.seccomp.
absl::StatusOr<SeccompProgram> FilterOf(const Config& config);

// Puts this thread under the filter, for good.
absl::Status InstallSeccomp(const SeccompProgram& program);

}  // namespace vx::container
