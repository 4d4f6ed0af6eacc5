#include "daemon/drivers.h"

#include <spdlog/spdlog.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/driver/loader.h"

namespace vx {
namespace {

// vxd is in PREFIX/bin, modules in PREFIX/lib/vx/drivers, data in PREFIX/share/vx:
// the same in the build tree and installed.
std::string Prefix() { return absl::StrCat(ExecutableDir(), "/.."); }

v1::Kind KindOf(const std::string& name) {
  return name == "libvirt" ? v1::KIND_VM : v1::KIND_CONTAINER;
}

absl::StatusOr<driver::Environment> MakeEnvironment(const Config& config, const std::string& name,
                                                    const std::string& instance_id) {
  driver::Environment environment;
  environment.instance_id = instance_id;
  environment.state_dir = absl::StrCat(config.Get("daemon.state_dir"), "/", name);
  environment.runtime_dir = absl::StrCat(config.Get("daemon.runtime_dir"), "/", name);
  environment.bin_dir = ExecutableDir();
  environment.options = config.values();
  VX_RETURN_IF_ERROR(MakeDirs(environment.state_dir, 0700));
  VX_RETURN_IF_ERROR(MakeDirs(environment.runtime_dir, 0700));
  return environment;
}

}  // namespace

absl::Status LoadDrivers(const Config& config, const std::string& instance_id,
                         core::DriverSet& drivers) {
  std::string dir = config.Get("drivers.dir");
  if (dir.empty()) dir = absl::StrCat(Prefix(), "/lib/vx/drivers");
  for (const std::string& name : config.GetList("drivers.enabled")) {
    VX_ASSIGN_OR_RETURN(driver::Environment environment,
                        MakeEnvironment(config, name, instance_id));
    auto driver = driver::LoadDriver(absl::StrCat(dir, "/", name, ".so"), environment);
    if (driver.ok()) {
      drivers.Add(*std::move(driver));
      continue;
    }
    spdlog::warn("driver={} is not loaded: {}", name, std::string(driver.status().message()));
    drivers.AddMissing(name, KindOf(name), driver.status());
  }
  return absl::OkStatus();
}

std::string BuiltinImagesDir() { return absl::StrCat(Prefix(), "/share/vx/images"); }

}  // namespace vx
