// System-call filters: an OCI profile becomes a BPF program, once.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// What the kernel takes; empty: no filter.
using SeccompProgram = std::vector<sock_filter>;

// Translates linux.seccomp, or a profile in Docker's format (seccomp_rules.h), for a
// container that may have these capabilities. System calls that this machine does not
// have are left out. INVALID_ARGUMENT (BAD_CONFIG) names what makes no sense, or can't be
// had: listeners and flags but TSYNC.
absl::StatusOr<SeccompProgram> CompileSeccomp(const nlohmann::json& profile, uint64_t capabilities);

// The program of a profile file: the compiled one beside it (PATH.CAPABILITIES-KERNEL.bpf),
// or else compiled and kept there. (Compiling takes 10 ms, loading a compiled one 0.1 ms.)
absl::StatusOr<SeccompProgram> LoadSeccomp(const std::string& profile_path, uint64_t capabilities);

// The filter that a configuration asks for, of its file or its text. What a text compiles
// to is kept in `cache_dir`, which is made.
absl::StatusOr<SeccompProgram> FilterOf(const Config& config, const std::string& cache_dir);

// What `features` says of filters.
nlohmann::json SeccompFeatures();

// Puts this thread under the filter, for good.
absl::Status InstallSeccomp(const SeccompProgram& program);

}  // namespace vx::container
