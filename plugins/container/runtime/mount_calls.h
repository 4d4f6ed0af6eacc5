// The mount system calls that the C library does not wrap yet, with errors that
// name what they worked on. Mounts and places are descriptors: what is made is attached
// where it was looked up (inside.h), whatever became of the path since.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx::container {

// MOUNT_ATTR_* to set and to clear; one that is in neither stays as it is.
struct MountAttributes {
  uint64_t set = 0;
  uint64_t clear = 0;
};

// Of mount(2)'s flags; `cleared` are those that are to be off.
MountAttributes ToAttributes(unsigned long flags, unsigned long cleared = 0);

// A detached copy of the mount at `path` (relative to `dir`; empty: `dir` itself), with
// those below it when `recursive`.
absl::StatusOr<UniqueFd> CloneMount(int dir, const std::string& path, bool recursive);

// On a mount given by descriptor, and those below it when `recursive`.
absl::Status SetMountAttributes(int mount, const MountAttributes& attributes, bool recursive,
                                const std::string& what);
// MS_PRIVATE, MS_SLAVE or MS_UNBINDABLE, with MS_REC for those below.
absl::Status SetPropagation(int mount, unsigned long propagation, const std::string& what);

// Maps the ids of a detached mount through a user namespace.
absl::Status MapMountIds(int mount, int userns, bool recursive, const std::string& what);

// Puts a detached mount onto a path of ours, or onto a place given by descriptor.
absl::Status AttachMount(int mount, const std::string& path);
absl::Status AttachMount(int mount, int place, const std::string& what);

// A detached mount of a new filesystem. `flags` are mount(2)'s; `data` its options,
// separated by commas.
absl::StatusOr<UniqueFd> NewMount(const std::string& type, const std::string& source,
                                  unsigned long flags, const std::string& data);

// mount(2), for targets of our own.
absl::Status Mount(const char* source, const std::string& target, const char* type,
                   unsigned long flags, const std::string& data);

}  // namespace vx::container
