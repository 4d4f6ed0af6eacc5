// What a spec lets a container do: its capabilities, ids, devices and what of its root it
// may write to.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/error.h"
#include "plugins/container/devices.h"
#include "vx/v1/workload.pb.h"

namespace vx::container {

// "CAP_CHOWN" and so on: Docker's set without what is of no use in a user namespace
// (MKNOD, AUDIT_WRITE).
std::vector<std::string> DefaultCapabilities();

// The default is that of a spec that says nothing.
struct Confinement {
  std::vector<std::string> capabilities = DefaultCapabilities();
  // Has ids of its own.
  bool user_namespace = true;
  // Programs may gain rights by set-user-id bits.
  bool new_privileges = false;
  // Nothing of the kernel's files is hidden or read-only.
  bool sees_all = false;
  bool read_only = false;
  // A profile that the host has loaded; empty: none.
  std::string apparmor;
  std::vector<HostDevice> devices;
  std::vector<v1::Tmpfs> tmpfs;
};

// What of a spec a container can't honour.
std::vector<FieldViolation> CheckConfinement(const v1::WorkloadSpec& spec);

// Of a spec without violations; looks the devices up.
absl::StatusOr<Confinement> ToConfinement(const v1::WorkloadSpec& spec);

// Whether the spec wants no system-call filter, or one of its own; neither: the default.
bool IsOnHostNetwork(const v1::WorkloadSpec& spec);
bool IsUnfiltered(const v1::WorkloadSpec& spec);
bool HasOwnFilter(const v1::WorkloadSpec& spec);

}  // namespace vx::container
