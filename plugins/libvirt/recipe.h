// What a workload's spec means for a VM.
#pragma once

#include <vector>

#include "daemon/driver/driver.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/host.h"
#include "plugins/libvirt/machine.h"
#include "plugins/libvirt/paths.h"

namespace vx::libvirt {

inline constexpr int64_t kMinMemory = int64_t{80} << 20;
inline constexpr int64_t kDefaultMemory = int64_t{512} << 20;
inline constexpr double kMinCpus = 0.01;

// What a VM can't honour.
std::vector<FieldViolation> CheckSpec(const v1::WorkloadSpec& spec);

// What its machine is given; the spec's, or kDefaultMemory.
int64_t MemoryBytes(const v1::Resources& resources);

DomainSpec MakeDomainSpec(const Machine& machine, const v1::Workload& workload, const Paths& paths,
                          const Equipment& equipment);

// What the last check of the host makes of the driver.
v1::DriverInfo Describe(const Host& host);

}  // namespace vx::libvirt
