// The part of the driver that is about what VMs write: the command's output and the serial
// console, both kept by the shim.
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/libvirt/driver.h"

namespace vx::libvirt {
namespace {

absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLogFile(
    const std::string& uid, const std::string& path, const driver::LogPosition& position) {
  if (PathExists(path)) return shim::OpenLog(path, position);
  return Error(absl::StatusCode::kNotFound, "NOT_PREPARED",
               absl::StrCat("VM ", uid, " has no log yet"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<driver::LogReader>> LibvirtDriver::OpenLog(
    const std::string& uid, const driver::LogPosition& position) {
  return OpenLogFile(uid, paths_.log(uid), position);
}

absl::StatusOr<std::unique_ptr<driver::LogReader>> LibvirtDriver::OpenConsoleLog(
    const std::string& uid, const driver::LogPosition& position) {
  return OpenLogFile(uid, paths_.console(uid), position);
}

absl::StatusOr<std::unique_ptr<driver::Input>> LibvirtDriver::OpenConsoleInput(
    const std::string& uid) {
  VX_ASSIGN_OR_RETURN(MachinePtr machine, FindRunning(uid));
  return machine->OpenConsole();
}

}  // namespace vx::libvirt
