// What a VM keeps between runs: its disk over the image's, the image's config,
// and its log.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/driver/driver.h"
#include "plugins/agent/boot_config.h"
#include "plugins/libvirt/paths.h"

namespace vx::libvirt {

// Makes the bundle; on an error nothing is left. The config comes last: with it,
// the bundle is whole. INVALID_ARGUMENT (DISK_TOO_SMALL) when the spec asks for a
// disk smaller than the image's.
absl::Status MakeBundle(const Paths& paths, const v1::Workload& workload, const driver::Base& base);

// FAILED_PRECONDITION (NOT_PREPARED) when there is none, or half of one.
absl::StatusOr<v1::ImageConfig> ReadImageConfig(const Paths& paths, const std::string& uid);

// What the guest's agent is told: what to run, and what the workload's status says of its
// networks. INVALID_ARGUMENT (BAD_PROCESS) when a guest can't be given it.
absl::StatusOr<std::string> EncodeProcess(const driver::Process& process,
                                          const v1::Workload& workload,
                                          const std::vector<driver::MountSource>& sources = {});

// A guest's end of one of its networks.
agent::BootNic ToNic(const v1::NetworkAttachment& attachment);

}  // namespace vx::libvirt
