// What the runtime prepares for init with the host's rights: a small tmpfs (the
// stage), in a private mount namespace, which is the working directory that init
// inherits. On it:
//
//   l0, l1 …   the layers, bottom first, ids mapped, read-only
//   top        the folder of upper and work, ids mapped
//   root       bundles without an overlay: their root; else empty
//   dev        a tmpfs with the device nodes, which a user namespace can't make
//   b0, b1 …   the sources of bind mounts, by their index in config.mounts, with all
//              that their options ask for: only the host has the rights for some, and
//              a user namespace can't take back what was set from outside
//   g0, g1 …   cgroup mounts on hosts with v1 hierarchies: a folder each, which holds
//              the container's own group, read-only
//   empty      an empty folder, for masking
//
// Paths of the host that init has no right to walk are thus never walked by it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// Leaves the host's mount namespace, and mounts an empty stage on `over`.
absl::Status MakeStage(const Config& config, const std::string& over);

// `userns` maps the ids; -1: they stay as they are. The stage is the working
// directory. FAILED_PRECONDITION (NO_ROOT, NO_SOURCE) for what the bundle names and the
// host does not have.
absl::Status FillStage(const Config& config, int userns);

// Whether this entry of config.mounts is the stage's dev.
bool IsStageDev(const MountConfig& mount);
bool IsCgroup(const MountConfig& mount);

}  // namespace vx::container
