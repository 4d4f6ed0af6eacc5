#include "daemon/core/confinement.h"

#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace vx::core {
namespace {

constexpr int64_t kMaxWeight = 10000;
constexpr uint32_t kMaxMode = 07777;
constexpr size_t kMaxProfile = 1 << 20;
constexpr int kMaxEntries = 128;

using Violations = std::vector<FieldViolation>;

void CheckTmpfs(const v1::WorkloadSpec& spec, Violations& out) {
  std::set<std::string> targets;
  for (int i = 0; i < spec.tmpfs_size(); ++i) {
    const v1::Tmpfs& tmpfs = spec.tmpfs(i);
    const std::string field = absl::StrCat("spec.tmpfs[", i, "].");
    if (!IsPlace(tmpfs.target())) {
      out.push_back({field + "target",
                     absl::StrCat("\"", tmpfs.target(),
                                  "\" is no folder inside: give an absolute path below /")});
    } else if (IsTheKernels(tmpfs.target())) {
      out.push_back({field + "target", absl::StrCat("\"", tmpfs.target(),
                                                    "\" is the kernel's or the runtime's own")});
    }
    if (!targets.insert(tmpfs.target()).second) {
      out.push_back({field + "target", absl::StrCat("\"", tmpfs.target(), "\" is there twice")});
    }
    if (tmpfs.has_size_bytes() && tmpfs.size_bytes() <= 0) {
      out.push_back({field + "size_bytes", "is not above 0: give e.g. 64M"});
    }
    if (tmpfs.has_mode() && tmpfs.mode() > kMaxMode) {
      out.push_back({field + "mode", "has more than permission bits: give e.g. 1777"});
    }
  }
}

bool IsAccess(absl::string_view access) {
  std::set<char> seen;
  for (const char c : access) {
    if (absl::string_view("rwm").find(c) == absl::string_view::npos) return false;
    if (!seen.insert(c).second) return false;
  }
  return true;
}

void CheckDevices(const v1::WorkloadSpec& spec, Violations& out) {
  for (int i = 0; i < spec.devices_size(); ++i) {
    const v1::Device& device = spec.devices(i);
    const std::string field = absl::StrCat("spec.devices[", i, "].");
    const std::string& target = device.target().empty() ? device.source() : device.target();
    if (!IsPlace(device.source())) {
      out.push_back({field + "source", absl::StrCat("\"", device.source(),
                                                    "\" is not absolute: begin it with /dev/")});
    }
    if (!IsPlace(target) || !absl::StartsWith(target, "/dev/")) {
      out.push_back({field + "target", absl::StrCat("\"", target, "\" is not below /dev")});
    }
    if (!IsAccess(device.access())) {
      out.push_back({field + "access", absl::StrCat("\"", device.access(),
                                                    "\" is not made of r, w and m: give e.g. rw")});
    }
  }
}

void CheckSecurity(const v1::Security& security, Violations& out) {
  if (security.seccomp().size() > kMaxProfile) {
    out.push_back({"spec.security.seccomp", "is larger than 1 MiB"});
  }
  if (security.apparmor().find_first_of(" \t\n") != std::string::npos) {
    out.push_back({"spec.security.apparmor",
                   absl::StrCat("\"", security.apparmor(), "\" is no profile's name")});
  }
}

void CheckCounts(const v1::WorkloadSpec& spec, Violations& out) {
  const struct {
    const char* field;
    int count;
  } lists[] = {{"spec.tmpfs", spec.tmpfs_size()},
               {"spec.devices", spec.devices_size()},
               {"spec.security.cap_add", spec.security().cap_add_size()},
               {"spec.security.cap_drop", spec.security().cap_drop_size()}};
  for (const auto& list : lists) {
    if (list.count <= kMaxEntries) continue;
    out.push_back({list.field, absl::StrCat("are more than ", kMaxEntries)});
  }
}

// The kernel's list format, of cpus that this host has.
bool IsCpuList(absl::string_view list, int64_t cpus) {
  for (absl::string_view range : absl::StrSplit(list, ',')) {
    const std::vector<absl::string_view> ends = absl::StrSplit(range, '-');
    int64_t first = -1, last = -1;
    if (ends.size() > 2 || !absl::SimpleAtoi(ends.front(), &first) ||
        !absl::SimpleAtoi(ends.back(), &last) || first < 0 || last < first || last >= cpus) {
      return false;
    }
  }
  return true;
}

bool IsBelow(absl::string_view path, absl::string_view dir) {
  return path == dir || absl::StartsWith(path, absl::StrCat(dir, "/"));
}

}  // namespace

bool IsPlace(const std::string& path) {
  bool names = false;
  if (!absl::StartsWith(path, "/") || path.find('\0') != std::string::npos) return false;
  for (absl::string_view part : absl::StrSplit(path, '/', absl::SkipEmpty())) {
    if (part == "..") return false;
    names = names || part != ".";
  }
  return names;
}

bool IsTheKernels(const std::string& path) {
  return path == "/dev" || IsBelow(path, "/proc") || IsBelow(path, "/sys");
}

void CheckConfinement(const v1::WorkloadSpec& spec, Violations& out) {
  CheckCounts(spec, out);
  CheckTmpfs(spec, out);
  CheckDevices(spec, out);
  CheckSecurity(spec.security(), out);
}

void CheckShares(const v1::Resources& resources, Violations& out) {
  const int64_t cpus = std::max(1u, std::thread::hardware_concurrency());
  if (resources.has_cpu_weight() &&
      (resources.cpu_weight() < 1 || resources.cpu_weight() > kMaxWeight)) {
    out.push_back({"spec.resources.cpu_weight",
                   absl::StrCat(resources.cpu_weight(), " is not between 1 and 10000")});
  }
  if (!resources.cpuset().empty() && !IsCpuList(resources.cpuset(), cpus)) {
    out.push_back({"spec.resources.cpuset",
                   absl::StrCat("\"", resources.cpuset(), "\" is no list of cpus from 0 to ",
                                cpus - 1, ", the cpus of this host: give e.g. 0 or 0-1")});
  }
  const int64_t reservation = resources.memory_reservation_bytes();
  if (resources.has_memory_reservation_bytes() && reservation <= 0) {
    out.push_back({"spec.resources.memory_reservation_bytes", "is not above 0: give e.g. 128M"});
  }
  if (resources.has_swap_bytes() && resources.swap_bytes() < 0) {
    out.push_back({"spec.resources.swap_bytes", "is below 0: give e.g. 0 or 256M"});
  }
}

void CheckTogether(const v1::Resources& resources, Violations& out) {
  if (resources.has_memory_bytes() && resources.has_memory_reservation_bytes() &&
      resources.memory_reservation_bytes() > resources.memory_bytes()) {
    out.push_back({"spec.resources.memory_reservation_bytes", "is more than the memory"});
  }
  if (resources.has_swap_bytes() && !resources.has_memory_bytes()) {
    out.push_back({"spec.resources.swap_bytes", "has no meaning without a limit of memory"});
  }
}

}  // namespace vx::core
