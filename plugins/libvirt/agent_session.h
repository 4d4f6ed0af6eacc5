// A command that a guest's agent runs for us, as the driver contract has it.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/driver/sessions.h"
#include "plugins/libvirt/agent_channel.h"

namespace vx::libvirt {

// Starts it, and returns when it was started or at `deadline`; the errors of
// driver::Sessions::Exec. Null with `spec.detach`.
absl::StatusOr<std::unique_ptr<driver::ExecSession>> ExecByAgent(
    const std::shared_ptr<AgentChannel>& channel, const driver::ExecSpec& spec,
    absl::Time deadline);

}  // namespace vx::libvirt
