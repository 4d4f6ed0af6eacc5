// Sessions with what runs. They are no operations: nothing is recorded of them, and they
// wait for nobody's turn.
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"
#include "daemon/core/workloads.h"

namespace vx::core {
namespace {

absl::Status Paused(const v1::Workload& workload) {
  return Error(absl::StatusCode::kFailedPrecondition, "PAUSED",
               absl::StrCat("\"", workload.name(), "\" is paused"),
               absl::StrCat("let it go on: vxctl resume ", workload.name()));
}

absl::Status ConsoleBusy(const v1::Workload& workload) {
  return Error(absl::StatusCode::kFailedPrecondition, "CONSOLE_BUSY",
               absl::StrCat("somebody else types on the console of \"", workload.name(), "\""),
               absl::StrCat("watch it: vxctl logs --console -f ", workload.name()));
}

// The driver knows uids; a user knows the name.
absl::Status InUsersWords(const v1::Workload& workload, const absl::Status& status) {
  const std::string reason = ErrorReason(status);
  if (reason == "NOT_RUNNING") return NotRunning(workload);
  if (reason == "CONSOLE_BUSY") return ConsoleBusy(workload);
  return reason == "PAUSED" ? Paused(workload) : status;
}

}  // namespace

absl::Status NotRunning(const v1::Workload& workload) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("\"", workload.name(), "\" is not running"),
               absl::StrCat("start it: vxctl start ", workload.name()));
}

absl::StatusOr<driver::Sessions*> Workloads::SessionsOf(const v1::Workload& workload,
                                                        const char* reason) {
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  if (driver->sessions() != nullptr) return driver->sessions();
  return Error(absl::StatusCode::kUnimplemented, reason,
               absl::StrCat("the driver ", driver->name(), " of \"", workload.name(),
                            "\" can't do that yet"),
               "run the command as a workload of its own: vxctl run");
}

absl::StatusOr<std::unique_ptr<driver::ExecSession>> Workloads::Exec(const std::string& name,
                                                                     const driver::ExecSpec& spec) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, store_.Read().FindWorkload(name));
  VX_ASSIGN_OR_RETURN(driver::Sessions * sessions, SessionsOf(workload, "NO_EXEC"));
  const v1::State state = workload.status().state();
  if (state == v1::STATE_PAUSED) return Paused(workload);
  if (state != v1::STATE_RUNNING) return NotRunning(workload);
  auto session = sessions->Exec(workload.uid(), spec);
  if (!session.ok()) return InUsersWords(workload, session.status());
  return session;
}

absl::StatusOr<std::unique_ptr<driver::Input>> Workloads::OpenInput(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
  VX_ASSIGN_OR_RETURN(driver::Sessions * sessions, SessionsOf(workload, "NO_INPUT"));
  auto input = sessions->OpenInput(uid);
  if (!input.ok()) return InUsersWords(workload, input.status());
  return input;
}

absl::StatusOr<driver::Console*> Workloads::ConsoleOf(const v1::Workload& workload) {
  VX_ASSIGN_OR_RETURN(driver::Driver * driver, drivers_.Await(workload.kind(), Use::kLookAfter));
  if (driver->console() != nullptr) return driver->console();
  return Error(absl::StatusCode::kFailedPrecondition, "NO_CONSOLE",
               absl::StrCat("\"", workload.name(), "\" is a ", KindName(workload.kind()),
                            " and has no serial console"),
               absl::StrCat("what its command writes: vxctl logs ", workload.name()));
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> Workloads::OpenConsoleLog(
    const std::string& uid, const driver::LogPosition& position) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
  VX_ASSIGN_OR_RETURN(driver::Console * console, ConsoleOf(workload));
  return console->OpenConsoleLog(uid, position);
}

absl::StatusOr<std::unique_ptr<driver::Input>> Workloads::OpenConsoleInput(const std::string& uid) {
  VX_ASSIGN_OR_RETURN(v1::Workload workload, Load(uid));
  VX_ASSIGN_OR_RETURN(driver::Console * console, ConsoleOf(workload));
  auto input = console->OpenConsoleInput(uid);
  if (!input.ok()) return InUsersWords(workload, input.status());
  return input;
}

}  // namespace vx::core
