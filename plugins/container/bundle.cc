#include "plugins/container/bundle.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"

namespace vx::container {
namespace {

using nlohmann::json;

constexpr int64_t kPeriod = 100000;
// The kernel takes no less.
constexpr int64_t kMinQuota = 1000;
constexpr uint32_t kIds = 65536;

// Docker's set without what is of no use in a user namespace (MKNOD, AUDIT_WRITE).
constexpr const char* kCapabilities[] = {
    "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER",           "CAP_FSETID",
    "CAP_KILL",    "CAP_SETGID",       "CAP_SETUID",           "CAP_SETPCAP",
    "CAP_SETFCAP", "CAP_NET_RAW",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"};

constexpr const char* kNamespaces[] = {"pid", "network", "ipc", "uts", "mount", "user", "cgroup"};

// What of the kernel's own a container has no business with.
constexpr const char* kMasked[] = {"/proc/acpi",       "/proc/kcore", "/proc/keys",
                                   "/proc/timer_list", "/proc/scsi",  "/proc/latency_stats",
                                   "/sys/firmware"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

json Mount(const char* destination, const char* type, const char* source,
           std::initializer_list<const char*> options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

json Mounts() {
  return {Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
          Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=64k"}),
          Mount("/dev/pts", "devpts", "devpts",
                {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
          Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=64m"}),
          Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
          Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"})};
}

std::vector<std::string> Environment(const BundleSpec& spec) {
  std::vector<std::string> env = spec.process.env;
  if (!spec.sets_home) {
    std::erase_if(env, [](const std::string& v) { return v.starts_with("HOME="); });
  }
  return env;
}

json Process(const BundleSpec& spec) {
  return {
      {"args", spec.process.argv},
      {"env", Environment(spec)},
      {"cwd", spec.process.working_dir},
      {"terminal", spec.terminal},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"noNewPrivileges", true},
      {"oomScoreAdj", spec.oom_score_adj},
      {"capabilities",
       {{"bounding", kCapabilities}, {"effective", kCapabilities}, {"permitted", kCapabilities}}}};
}

json Resources(const v1::Resources& resources) {
  const CgroupLimits limits = ToLimits(resources);
  json out;
  if (*limits.memory_bytes >= 0) out["memory"] = {{"limit", *limits.memory_bytes}};
  if (*limits.cpu_quota >= 0) out["cpu"] = {{"quota", *limits.cpu_quota}, {"period", kPeriod}};
  out["pids"] = {{"limit", *limits.pids}};
  return out;
}

json Namespaces() {
  json out = json::array();
  for (const char* type : kNamespaces) out.push_back({{"type", type}});
  return out;
}

json Linux(const BundleSpec& spec) {
  const json mapping = {{{"containerID", 0}, {"hostID", spec.first_id}, {"size", kIds}}};
  return {{"namespaces", Namespaces()},
          {"uidMappings", mapping},
          {"gidMappings", mapping},
          {"cgroupsPath", spec.cgroup},
          {"resources", Resources(spec.resources)},
          // The network is the container's own: all its ports are its users'.
          {"sysctl", {{"net.ipv4.ip_unprivileged_port_start", "0"}}},
          {"maskedPaths", kMasked},
          {"readonlyPaths", kReadOnly}};
}

json Annotations(const BundleSpec& spec) {
  json out = {{"vx.overlay.lower", absl::StrJoin(spec.layers, "\n")},
              {"vx.overlay.upper", spec.root},
              {"vx.overlay.volatile", spec.is_volatile ? "true" : "false"},
              {"vx.user", spec.process.user}};
  if (!spec.seccomp_file.empty()) out["vx.seccomp"] = spec.seccomp_file;
  return out;
}

}  // namespace

CgroupLimits ToLimits(const v1::Resources& resources) {
  CgroupLimits limits;
  limits.memory_bytes = resources.has_memory_bytes() ? resources.memory_bytes() : -1;
  limits.cpu_period = kPeriod;
  limits.cpu_quota =
      resources.has_cpus()
          ? std::max(kMinQuota, static_cast<int64_t>(std::llround(resources.cpus() * kPeriod)))
          : -1;
  limits.pids = resources.has_pids() ? resources.pids() : kDefaultPids;
  return limits;
}

std::string MakeBundle(const BundleSpec& spec) {
  const json config = {{"ociVersion", "1.1.0"},
                       {"process", Process(spec)},
                       {"root", {{"path", "rootfs"}}},
                       {"hostname", spec.process.hostname},
                       {"mounts", Mounts()},
                       {"linux", Linux(spec)},
                       {"annotations", Annotations(spec)}};
  // What a user gave need not be UTF-8.
  return config.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace vx::container
