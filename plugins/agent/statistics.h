// What the guest's kernel says of itself.
#pragma once

#include "vx/agent/v1/agent.pb.h"

namespace vx::agent {

v1::Stats ReadStats();
v1::Addresses ReadAddresses();

// Uses the cpus that were plugged in; how many are in use now.
int UseAllCpus();

}  // namespace vx::agent
