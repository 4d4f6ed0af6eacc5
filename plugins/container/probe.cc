#include "plugins/container/probe.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "daemon/base/file.h"
#include "daemon/base/subprocess.h"
#include "plugins/cgroup/cgroup.h"
#include "plugins/cgroup/files.h"

namespace vx::container {
namespace {

constexpr int kMajor = 6;
constexpr int kMinor = 1;

v1::Check MakeCheck(const char* name, bool ok, const std::string& message,
                    const std::string& hint) {
  v1::Check check;
  check.set_name(name);
  check.set_driver(kDriverName);
  check.set_result(ok ? v1::CHECK_RESULT_OK : v1::CHECK_RESULT_FAILED);
  check.set_message(message);
  if (!ok) check.set_hint(hint);
  return check;
}

v1::Check CheckKernel() {
  utsname name{};
  uname(&name);
  const bool ok = IsKernelAtLeast(name.release, kMajor, kMinor);
  return MakeCheck("kernel", ok, absl::StrCat("kernel ", name.release),
                   absl::StrCat("install a kernel of ", kMajor, ".", kMinor,
                                " or newer: mounts with mapped ids need it"));
}

v1::Check CheckCgroup() {
  auto layout = cgroup::FindCgroups();
  const cgroup::CgroupMode mode = layout.ok() ? layout->mode : cgroup::CgroupMode::kNone;
  if (mode == cgroup::CgroupMode::kNone) {
    return MakeCheck("cgroup", false, "no cgroup hierarchy is visible",
                     "mount cgroup2 on /sys/fs/cgroup; if vxd was started by \"ip netns exec\", "
                     "which hides it, use \"nsenter --net=/run/netns/NAME\"");
  }
  const bool complete =
      mode == cgroup::CgroupMode::kV2 ||
      (layout->controllers.contains("memory") && layout->controllers.contains("cpu") &&
       layout->controllers.contains("pids"));
  return MakeCheck("cgroup", complete,
                   complete ? absl::StrCat("cgroups are ", cgroup::CgroupModeName(mode))
                            : "cgroup controllers memory, cpu and pids are not all there",
                   "enable them on the kernel's command line or mount them");
}

v1::Check CheckUserns() {
  const bool compiled = PathExists("/proc/self/ns/user");
  const bool allowed = cgroup::ReadNumber("/proc/sys/user/max_user_namespaces", 1) > 0;
  if (compiled && !allowed) {
    return MakeCheck("userns", false, "user namespaces are turned off",
                     "sysctl -w user.max_user_namespaces=15000");
  }
  return MakeCheck("userns", compiled,
                   compiled ? "user namespaces are there" : "the kernel has no user namespaces",
                   "use a kernel with CONFIG_USER_NS");
}

bool HasFilesystem(const char* name) {
  auto known = ReadFile("/proc/filesystems");
  return known.ok() && known->find(absl::StrCat("\t", name, "\n")) != std::string::npos;
}

v1::Check CheckOverlay() {
  bool ok = HasFilesystem("overlay");
  if (!ok && !FindProgram("modprobe").empty()) {
    RunCommand({"modprobe", "overlay"}, absl::Seconds(10)).IgnoreError();
    ok = HasFilesystem("overlay");
  }
  return MakeCheck("overlay", ok, ok ? "overlayfs is there" : "the kernel has no overlayfs",
                   "load the module overlay, or use a kernel with CONFIG_OVERLAY_FS");
}

v1::Check CheckPrograms(const std::string& bin_dir) {
  for (const char* name : {"vx-shim", "vx-runtime"}) {
    const std::string path = absl::StrCat(bin_dir, "/", name);
    if (access(path.c_str(), X_OK) == 0) continue;
    return MakeCheck("programs", false, absl::StrCat(path, " is missing"),
                     "install vx wholly, or start the vxd of a whole build");
  }
  return MakeCheck("programs", true, absl::StrCat("vx-shim and vx-runtime are in ", bin_dir), "");
}

}  // namespace

bool IsKernelAtLeast(const std::string& release, int major, int minor) {
  int has_major = 0, has_minor = 0;
  if (sscanf(release.c_str(), "%d.%d", &has_major, &has_minor) != 2) return false;
  return has_major > major || (has_major == major && has_minor >= minor);
}

std::vector<v1::Check> CheckHost(const std::string& bin_dir) {
  return {CheckKernel(), CheckCgroup(), CheckUserns(), CheckOverlay(), CheckPrograms(bin_dir)};
}

v1::DriverInfo ToDriverInfo(const std::vector<v1::Check>& checks) {
  v1::DriverInfo info;
  info.set_name(kDriverName);
  info.set_kind(v1::KIND_CONTAINER);
  info.set_state(v1::DRIVER_STATE_READY);
  for (const char* capability : {"pause", "logs", "stats", "exec", "attach", "update-live"}) {
    info.add_capabilities(capability);
  }
  info.add_missing("disk: a container's writable layer has no size limit yet");
  auto layout = cgroup::FindCgroups();
  (*info.mutable_facts())["cgroup"] =
      std::string(cgroup::CgroupModeName(layout.ok() ? layout->mode : cgroup::CgroupMode::kNone));
  for (const v1::Check& check : checks) {
    if (check.result() != v1::CHECK_RESULT_FAILED) continue;
    info.set_state(v1::DRIVER_STATE_UNAVAILABLE);
    info.set_reason(check.message());
    info.set_hint(check.hint());
    break;
  }
  return info;
}

}  // namespace vx::container
