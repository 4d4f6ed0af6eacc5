// The mount system calls that the C library does not wrap yet, with errors that
// name what they worked on.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::container {

// A detached copy of the mount at `path` (relative to `dir`), with those below it
// when `recursive`.
absl::StatusOr<UniqueFd> CloneMount(int dir, const std::string& path, bool recursive);

// Sets MOUNT_ATTR_* on a mount given by descriptor, and those below it.
absl::Status SetMountAttributes(int mount, uint64_t attributes, const std::string& what);

// Maps the ids of a detached mount through a user namespace.
absl::Status MapMountIds(int mount, int userns, const std::string& what);

// Puts a detached mount onto `path`, which exists.
absl::Status AttachMount(int mount, const std::string& path);

// mount(2).
absl::Status Mount(const char* source, const std::string& target, const char* type,
                   unsigned long flags, const std::string& data);

// MOUNT_ATTR_* of mount(2)'s flags.
uint64_t ToAttributes(unsigned long flags);

}  // namespace vx::container
