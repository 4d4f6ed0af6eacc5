// The part of the driver that speaks with what runs: its input, and commands beside it.
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/agent_session.h"
#include "plugins/libvirt/driver.h"

namespace vx::libvirt {
namespace {

// How long an agent may take to answer; it comes up a moment after its command.
constexpr absl::Duration kAgentTimeout = absl::Seconds(30);

}  // namespace

absl::StatusOr<std::unique_ptr<driver::ExecSession>> LibvirtDriver::Exec(
    const std::string& uid, const driver::ExecSpec& spec) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  const std::shared_ptr<AgentChannel> agent = machine->agent();
  if (agent == nullptr || machine->State() != shim::RunState::kRunning) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
                 absl::StrCat("workload ", uid, " does not run"));
  }
  if (IsPaused(*machine)) {
    return Error(absl::StatusCode::kFailedPrecondition, "PAUSED",
                 absl::StrCat("workload ", uid, " is paused"), "resume it first");
  }
  return ExecByAgent(agent, spec, absl::Now() + kAgentTimeout);
}

absl::StatusOr<std::unique_ptr<driver::Input>> LibvirtDriver::OpenInput(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  return machine->OpenInput();
}

}  // namespace vx::libvirt
