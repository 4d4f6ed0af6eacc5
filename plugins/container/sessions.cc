// The part of the driver that speaks with what runs: its input, and commands beside it.
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/ids.h"
#include "daemon/base/pidfd.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/driver.h"
#include "plugins/container/exec_session.h"

namespace vx::container {

absl::Status ContainerDriver::CheckRuns(const std::string& uid) const {
  VX_ASSIGN_OR_RETURN(Shim shim, LiveShim(uid));
  VX_ASSIGN_OR_RETURN(shim::ControlReply reply, shim->Status());
  if (reply.state != shim::RunState::kRunning) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
                 absl::StrCat("workload ", uid, " does not run"));
  }
  VX_ASSIGN_OR_RETURN(std::unique_ptr<cgroup::Cgroup> cgroup, OpenCgroup(uid));
  if (!cgroup->IsFrozen()) return absl::OkStatus();
  return Error(absl::StatusCode::kFailedPrecondition, "PAUSED",
               absl::StrCat("workload ", uid, " is paused"), "resume it first");
}

absl::StatusOr<std::unique_ptr<driver::ExecSession>> ContainerDriver::Exec(
    const std::string& uid, const driver::ExecSpec& spec) {
  VX_RETURN_IF_ERROR(CheckRuns(uid));
  const ExecPlace place{absl::StrCat(environment_.bin_dir, "/vx-runtime"), layout_.runtime_dir,
                        uid};
  if (!spec.detach) {
    VX_ASSIGN_OR_RETURN(std::unique_ptr<driver::ExecSession> session,
                        RuntimeSession::Start(place, spec));
    return session;
  }
  const std::string file = absl::StrCat(layout_.Run(uid), "/exec-", RandomHex(8));
  VX_ASSIGN_OR_RETURN(UniqueFd pidfd, ExecDetached(place, spec, file));
  auto reap = [fd = pidfd.get()] {
    ReapPidfd(fd);
    return false;
  };
  VX_RETURN_IF_ERROR(watcher_.Add(std::move(pidfd), reap).status());
  return nullptr;
}

absl::StatusOr<std::unique_ptr<driver::Input>> ContainerDriver::OpenInput(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(Shim shim, LiveShim(uid));
  return shim->OpenInput();
}

}  // namespace vx::container
