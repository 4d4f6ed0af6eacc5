// What a workload's spec means for a VM.
#pragma once

#include <vector>

#include "daemon/driver/driver.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/libvirt/host.h"
#include "plugins/libvirt/machine.h"
#include "plugins/libvirt/paths.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {

// What a VM can't honour.
std::vector<FieldViolation> CheckSpec(const v1::WorkloadSpec& spec);

DomainSpec MakeDomainSpec(const Machine& machine, const v1::Workload& workload, const Paths& paths,
                          const Equipment& equipment);

// What the last check of the host makes of the driver.
v1::DriverInfo Describe(const Host& host);

}  // namespace vx::libvirt
