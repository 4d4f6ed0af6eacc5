// Whom QEMU runs as: a user of its own for each VM, so that one which was broken into
// reaches neither the host nor the other VMs.
//
// The user is the first of a range of ids that is claimed for the run, as containers'
// are (daemon/driver/id_ranges.h). The group is one for all VMs: it may pass through
// folders on the way to what QEMU opens, and nothing else.
#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::libvirt {

struct QemuUser {
  uid_t uid = 0;
  gid_t gid = 0;
};

// The group: libvirt-qemu; with `kvm` and a /dev/kvm that is not open to all, that
// device's. FAILED_PRECONDITION (NO_LIBVIRT_USER).
absl::StatusOr<gid_t> QemuGroup(bool kvm);

// Lets the group pass through `dir` and all folders above, where not everybody may:
// by an entry of their access lists, which takes nothing from anybody and lets
// nobody read them. FAILED_PRECONDITION (PATH_CLOSED) names the folder that can't.
absl::Status LetPass(const std::string& dir, gid_t group);

// Hands a file or socket over, for its owner alone to read and write.
absl::Status GiveTo(const std::string& path, const QemuUser& user);
// Takes it back to root. Fine when it is not there.
absl::Status TakeBack(const std::string& path);

}  // namespace vx::libvirt
