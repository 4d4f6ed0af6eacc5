#include "plugins/container/bundle.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "nlohmann/json.hpp"
#include "plugins/cgroup/cpus.h"
#include "plugins/shim/protocol.h"

namespace vx::container {
namespace {

using nlohmann::json;

constexpr uint32_t kIds = 65536;

constexpr const char* kNamespaces[] = {"pid", "ipc", "uts", "mount", "cgroup"};

// What of the kernel's own a container has no business with.
constexpr const char* kMasked[] = {"/proc/acpi",
                                   "/proc/asound",
                                   "/proc/interrupts",
                                   "/proc/kcore",
                                   "/proc/keys",
                                   "/proc/latency_stats",
                                   "/proc/sched_debug",
                                   "/proc/scsi",
                                   "/proc/timer_list",
                                   "/proc/timer_stats",
                                   "/sys/devices/virtual/powercap",
                                   "/sys/firmware"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
                                     "/proc/sysrq-trigger"};

// Nodes that every container has, and its own terminals.
constexpr std::pair<int64_t, int64_t> kUsualDevices[] = {{1, 3}, {1, 5}, {1, 7}, {1, 8},
                                                         {1, 9}, {5, 0}, {5, 2}, {136, -1}};

constexpr char kInitInside[] = "/dev/.vx-init";

constexpr int64_t kDefaultTmpfs = int64_t{64} << 20;
constexpr uint32_t kTmpfsMode = 01777;

json Mount(const char* destination, const char* type, const char* source,
           std::initializer_list<const char*> options) {
  return {{"destination", destination}, {"type", type}, {"source", source}, {"options", options}};
}

// Half of the memory that it may have, as the kernel has it for the host.
int64_t TmpfsSize(const v1::Tmpfs& tmpfs, const v1::Resources& resources) {
  if (tmpfs.has_size_bytes()) return tmpfs.size_bytes();
  return resources.has_memory_bytes() ? resources.memory_bytes() / 2 : kDefaultTmpfs;
}

json TmpfsMount(const v1::Tmpfs& tmpfs, const v1::Resources& resources) {
  const uint32_t mode = tmpfs.has_mode() ? tmpfs.mode() : kTmpfsMode;
  return {{"destination", tmpfs.target()},
          {"type", "tmpfs"},
          {"source", "tmpfs"},
          {"options",
           {"nosuid", "nodev", tmpfs.exec() ? "exec" : "noexec", absl::StrFormat("mode=%o", mode),
            absl::StrCat("size=", TmpfsSize(tmpfs, resources))}}};
}

// Owners inside are those on disk. What a workload could have made there for another to
// trip over, devices and set-user-id programs, has no force.
json BindMount(const v1::Mount& mount, const driver::MountSource& source,
               const Confinement& confinement) {
  json options = {source.is_volume ? "bind" : "rbind", mount.read_only() ? "ro" : "rw"};
  if (confinement.user_namespace) options.push_back(source.is_volume ? "idmap" : "ridmap");
  if (!confinement.sees_all || source.is_volume) {
    options.push_back("nosuid");
    options.push_back("nodev");
  }
  json out = {{"destination", mount.target()},
              {"type", "bind"},
              {"source", source.path},
              {"options", options}};
  if (!mount.subpath().empty()) out["vx.subpath"] = mount.subpath();
  if (source.is_volume && !mount.no_copy() && !mount.read_only()) out["vx.copyUp"] = true;
  return out;
}

// Those of the spec: one that lies on another comes after it.
std::vector<json> OwnMounts(const BundleSpec& spec) {
  std::vector<json> all;
  for (const v1::Tmpfs& tmpfs : spec.confinement.tmpfs) {
    all.push_back(TmpfsMount(tmpfs, spec.resources));
  }
  for (size_t i = 0; i < spec.mounts.size() && i < spec.sources.size(); ++i) {
    all.push_back(BindMount(spec.mounts[i], spec.sources[i], spec.confinement));
  }
  const auto depth = [](const json& mount) {
    return mount["destination"].get_ref<const std::string&>().size();
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const json& a, const json& b) { return depth(a) < depth(b); });
  return all;
}

json Mounts(const BundleSpec& spec) {
  const char* access = spec.confinement.sees_all ? "rw" : "ro";
  json mounts = {
      Mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      Mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=64k"}),
      Mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      Mount("/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=64m"}),
      Mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"})};
  // A new one is of a network namespace, which has to be of the same user namespace.
  mounts.push_back(spec.host_network
                       ? Mount("/sys", "bind", "/sys", {"bind", "ro", "nosuid", "noexec", "nodev"})
                       : Mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", access}));
  if (!spec.init_program.empty()) {
    mounts.push_back(Mount(kInitInside, "bind", spec.init_program.c_str(),
                           {"bind", "ro", "nosuid", "nodev", "exec"}));
  }
  for (const FileInside& file : spec.files) {
    mounts.push_back(Mount(file.target.c_str(), "bind", file.source.c_str(),
                           {"bind", "ro", "nosuid", "nodev", "noexec"}));
  }
  for (json& mount : OwnMounts(spec)) mounts.push_back(std::move(mount));
  return mounts;
}

json Devices(const Confinement& confinement) {
  json out = json::array();
  for (const HostDevice& device : confinement.devices) {
    json entry = {{"path", device.path},
                  {"type", std::string(1, device.type)},
                  {"major", device.major},
                  {"minor", device.minor},
                  {"fileMode", device.mode}};
    // With ids of its own they are its root's.
    if (!confinement.user_namespace) {
      entry["uid"] = device.uid;
      entry["gid"] = device.gid;
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::vector<std::string> Environment(const BundleSpec& spec) {
  std::vector<std::string> env = spec.process.env;
  if (!spec.sets_home) {
    std::erase_if(env, [](const std::string& v) { return v.starts_with("HOME="); });
  }
  return env;
}

json Process(const BundleSpec& spec) {
  const Confinement& confinement = spec.confinement;
  const std::vector<std::string>& capabilities = confinement.capabilities;
  std::vector<std::string> args = spec.process.argv;
  if (!spec.init_program.empty()) {
    args.insert(args.begin(), {kInitInside, absl::StrCat("--exec-fd=", shim::kRuntimeExecFd)});
  }
  json process = {
      {"args", args},
      {"env", Environment(spec)},
      {"cwd", spec.process.working_dir},
      {"terminal", spec.terminal},
      {"user", {{"uid", 0}, {"gid", 0}}},
      {"noNewPrivileges", !confinement.new_privileges},
      {"oomScoreAdj", spec.oom_score_adj},
      {"capabilities",
       {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}}}};
  if (!confinement.apparmor.empty()) process["apparmorProfile"] = confinement.apparmor;
  return process;
}

json MemoryResources(const cgroup::CgroupLimits& limits) {
  json memory = json::object();
  if (*limits.memory_bytes >= 0) memory["limit"] = *limits.memory_bytes;
  if (*limits.memory_reservation_bytes >= 0)
    memory["reservation"] = *limits.memory_reservation_bytes;
  if (limits.memory_swap_bytes) memory["swap"] = *limits.memory_swap_bytes;
  return memory;
}

json CpuResources(const v1::Resources& resources, const cgroup::CgroupLimits& limits) {
  json cpu = json::object();
  if (*limits.cpu_quota >= 0) {
    cpu = {{"quota", *limits.cpu_quota}, {"period", cgroup::kCpuPeriodUs}};
  }
  if (resources.has_cpu_weight()) cpu["shares"] = *limits.cpu_shares;
  if (!limits.cpus.empty()) cpu["cpus"] = limits.cpus;
  return cpu;
}

json Allow(char type, int64_t major, int64_t minor, const std::string& access) {
  json rule = {{"allow", true}, {"type", std::string(1, type)}, {"access", access}};
  if (major >= 0) rule["major"] = major;
  if (minor >= 0) rule["minor"] = minor;
  return rule;
}

// What it is not given, it can't use, whatever nodes it makes.
json DeviceRules(const Confinement& confinement) {
  json rules = json::array({{{"allow", false}, {"access", "rwm"}}});
  for (const auto& [major, minor] : kUsualDevices) rules.push_back(Allow('c', major, minor, "rwm"));
  for (const HostDevice& device : confinement.devices) {
    rules.push_back(Allow(device.type, device.major, device.minor, device.access));
  }
  return rules;
}

json Resources(const BundleSpec& spec) {
  const cgroup::CgroupLimits limits = ToLimits(spec.resources, spec.cgroup_mode);
  const json memory = MemoryResources(limits);
  const json cpu = CpuResources(spec.resources, limits);
  json out;
  if (!memory.empty()) out["memory"] = memory;
  if (!cpu.empty()) out["cpu"] = cpu;
  out["pids"] = {{"limit", *limits.pids}};
  if (!spec.confinement.sees_all) out["devices"] = DeviceRules(spec.confinement);
  return out;
}

json Namespaces(const BundleSpec& spec) {
  json out = json::array();
  for (const char* type : kNamespaces) out.push_back({{"type", type}});
  if (!spec.host_network) out.push_back({{"type", "network"}});
  if (spec.confinement.user_namespace) out.push_back({{"type", "user"}});
  return out;
}

json Linux(const BundleSpec& spec) {
  const Confinement& confinement = spec.confinement;
  json out = {{"namespaces", Namespaces(spec)},
              {"cgroupsPath", spec.cgroup},
              {"resources", Resources(spec)},
              {"devices", Devices(confinement)}};
  // Where the network is the container's own, all its ports are its users'.
  if (!spec.host_network) out["sysctl"] = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
  if (confinement.user_namespace) {
    const json mapping = {{{"containerID", 0}, {"hostID", spec.first_id}, {"size", kIds}}};
    out["uidMappings"] = mapping;
    out["gidMappings"] = mapping;
  }
  if (!confinement.sees_all) {
    out["maskedPaths"] = kMasked;
    out["readonlyPaths"] = kReadOnly;
  }
  return out;
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

cgroup::CgroupLimits ToLimits(const v1::Resources& resources, cgroup::CgroupMode mode) {
  cgroup::CgroupLimits limits;
  limits.memory_bytes = resources.has_memory_bytes() ? resources.memory_bytes() : -1;
  limits.memory_reservation_bytes =
      resources.has_memory_reservation_bytes() ? resources.memory_reservation_bytes() : -1;
  if (resources.has_swap_bytes()) {
    limits.memory_swap_bytes = resources.memory_bytes() + resources.swap_bytes();
  }
  limits.cpu_period = cgroup::kCpuPeriodUs;
  limits.cpu_quota = resources.has_cpus() ? cgroup::ToQuota(resources.cpus()) : -1;
  limits.cpu_shares =
      cgroup::ToShares(resources.has_cpu_weight() ? resources.cpu_weight() : 100, mode);
  limits.cpus = resources.cpuset();
  limits.pids = resources.has_pids() ? resources.pids() : kDefaultPids;
  return limits;
}

std::string MakeBundle(const BundleSpec& spec) {
  const json config = {{"ociVersion", "1.1.0"},
                       {"process", Process(spec)},
                       {"root", {{"path", "rootfs"}, {"readonly", spec.confinement.read_only}}},
                       {"hostname", spec.process.hostname},
                       {"mounts", Mounts(spec)},
                       {"linux", Linux(spec)},
                       {"annotations", Annotations(spec)}};
  // What a user gave need not be UTF-8.
  return config.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace vx::container
