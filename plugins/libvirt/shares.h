// Folders of the host in a guest: a virtiofsd for each, started by us.
//
// Not by libvirt, which would run it in vxd's cgroup, could not share a folder read-only,
// and would follow what a workload made of the folder's links. Each begins as vx-share
// (share/main.cc), runs as root, so that owners in the guest are those on disk, with the
// few rights that virtiofsd keeps, in namespaces of its own, and in the cgroup of its
// guest's QEMU. It ends when QEMU lets go of its socket; ending the group ends one whose
// QEMU never came.
//
// In the run's folder, for the Nth share: "share-N.sock", where QEMU connects; "share-N",
// where the folder is mounted, for its virtiofsd alone; "share-N.log", what it says.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"
#include "plugins/agent/boot_config.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/qemu_user.h"

namespace vx::libvirt {

// One of a guest's, as all sides know it.
struct Share {
  // What the guest mounts it by: "vxN".
  std::string tag;
  // The source's.
  std::string path;
  std::string subpath;
  bool read_only = false;
  std::string socket;
};

// Of the mounts that are folders; `run` is the run's folder.
std::vector<Share> SharesOf(const v1::WorkloadSpec& spec,
                            const std::vector<driver::MountSource>& sources,
                            const std::string& run);

// And of those that are disks.
std::vector<DomainDisk> DisksOf(const v1::WorkloadSpec& spec,
                                const std::vector<driver::MountSource>& sources);

// What the agent is to do with them, outer ones first.
std::vector<agent::BootShare> ToBoot(const v1::WorkloadSpec& spec,
                                     const std::vector<driver::MountSource>& sources);

// FAILED_PRECONDITION (NO_VIRTIOFSD) where the host has none.
absl::StatusOr<std::string> FindVirtiofsd();

// A virtiofsd in the making: it goes on once it is let go, and ends when `go` is closed
// before that.
struct ShareProcess {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd go;

  absl::Status LetGo();
};

// Starts its virtiofsd, to be reached by `user` alone; the caller must reap it. `program`
// is vx-share.
absl::StatusOr<ShareProcess> StartShare(const Share& share, const std::string& program,
                                        const std::string& virtiofsd, const QemuUser& user);

}  // namespace vx::libvirt
