// Filter profiles in Docker's format, which is OCI's and more: `archMap` instead of
// `architectures`, and rules that count only with or without some capabilities, on some
// machines, or from some kernel on (`includes`, `excludes`).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "plugins/container/runtime/json_fields.h"

namespace vx::container {

// What the conditions are about.
struct ProfileContext {
  // Bits by capability number: all that the container may have.
  uint64_t capabilities = 0;
  // Docker's name of this machine ("amd64").
  std::string machine;
  // SCMP_ARCH_*.
  std::string architecture;
  int kernel_major = 0;
  int kernel_minor = 0;

  // This host's, for a container with these capabilities.
  static ProfileContext Here(uint64_t capabilities);
};

// Whether a rule of the profile counts here.
absl::StatusOr<bool> RuleApplies(const Json& rule, const std::string& where,
                                 const ProfileContext& context);

// SCMP_ARCH_* of the profile that this machine can run: its own always, and of its
// others those that the profile names.
absl::StatusOr<std::vector<std::string>> ProfileArchitectures(const Json& profile,
                                                              const ProfileContext& context);

}  // namespace vx::container
