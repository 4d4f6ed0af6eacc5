#include "daemon/driver/loader.h"

#include <dlfcn.h>

#include "absl/strings/string_view.h"

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/driver/module.h"

namespace vx::driver {
namespace {

absl::Status Broken(const std::string& path, absl::string_view why) {
  return Error(absl::StatusCode::kFailedPrecondition, "MODULE_BROKEN",
               absl::StrCat("driver module ", path, " can't be loaded: ", why),
               "reinstall vx, and the packages that the module needs");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Driver>> LoadDriver(const std::string& path,
                                                   const Environment& environment) {
  if (!PathExists(path)) {
    return Error(absl::StatusCode::kNotFound, "MODULE_MISSING",
                 absl::StrCat("driver module ", path, " is not there"),
                 "install it, or take it out of drivers.enabled");
  }
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return Broken(path, dlerror());
  auto info_of =
      reinterpret_cast<VxModuleInfoFunction>(dlsym(handle, VX_MODULE_INFO_SYMBOL));
  auto create =
      reinterpret_cast<VxModuleCreateFunction>(dlsym(handle, VX_MODULE_CREATE_SYMBOL));
  if (info_of == nullptr || create == nullptr) return Broken(path, "it is no vx driver");
  const VxModuleInfo* info = info_of();
  if (info->contract_version != kContractVersion || absl::string_view(info->build_id) != VX_BUILD_ID) {
    return Error(absl::StatusCode::kFailedPrecondition, "MODULE_MISMATCH",
                 absl::StrCat("driver module ", path, " is of another build (contract ",
                              info->contract_version, ", build ", info->build_id,
                              "; this vxd: contract ", kContractVersion, ", build ", VX_BUILD_ID, ")"),
                 "install vxd and its modules from the same build");
  }
  std::unique_ptr<Driver> driver(create(&environment));
  if (driver == nullptr) return Broken(path, "it makes no driver");
  return driver;
}

}  // namespace vx::driver
