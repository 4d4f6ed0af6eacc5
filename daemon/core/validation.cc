#include "daemon/core/validation.h"

#include <sys/sysinfo.h>

#include <algorithm>
#include <cctype>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/signals.h"
#include "daemon/core/confinement.h"
#include "daemon/core/mounts.h"
#include "daemon/core/networks.h"

namespace vx::core {
namespace {

constexpr size_t kMaxName = 63;
constexpr size_t kMaxLabels = 64;
constexpr size_t kMaxLabelKey = 63;
constexpr size_t kMaxLabelValue = 255;
constexpr int64_t kSector = 512;
constexpr int64_t kLeastDisk = 1 << 20;
constexpr int kMaxArguments = 4096;
constexpr size_t kMaxArgumentBytes = 1 << 20;

using Violations = std::vector<FieldViolation>;

bool IsLowerAlnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool IsHostname(absl::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (char c : name) {
    if (!isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.') return false;
  }
  return true;
}

bool HasNul(absl::string_view text) { return text.find('\0') != absl::string_view::npos; }

FieldViolation NoName(const char* field, const std::string& name) {
  return {field, absl::StrCat("\"", name,
                              "\" is no name: use 1 to 63 of a-z, 0-9 and -, with a letter "
                              "or digit at both ends")};
}

void CheckName(const v1::Workload& workload, Violations& out) {
  if (workload.name().empty() || IsName(workload.name())) return;
  out.push_back(NoName("name", workload.name()));
}

void CheckWords(const v1::WorkloadSpec& spec, Violations& out) {
  size_t bytes = 0;
  for (const auto* words : {&spec.command(), &spec.entrypoint()}) {
    for (const std::string& word : *words) {
      bytes += word.size();
      if (HasNul(word)) out.push_back({"spec.command", "an argument holds a NUL byte"});
    }
  }
  if (spec.command_size() + spec.entrypoint_size() > kMaxArguments || bytes > kMaxArgumentBytes) {
    out.push_back(
        {"spec.command", absl::StrCat("more than ", kMaxArguments, " arguments or 1 MiB")});
  }
}

void CheckEnvironment(const v1::WorkloadSpec& spec, Violations& out) {
  for (const auto& [key, value] : spec.env()) {
    if (key.empty() || key.find('=') != std::string::npos || HasNul(key) || HasNul(value)) {
      out.push_back({"spec.env", absl::StrCat("\"", key, "\" is no variable's name")});
    }
  }
}

void CheckProcess(const v1::WorkloadSpec& spec, Violations& out) {
  if (!spec.working_dir().empty() && spec.working_dir()[0] != '/') {
    out.push_back({"spec.working_dir",
                   absl::StrCat("\"", spec.working_dir(), "\" is not absolute: begin it with /")});
  }
  if (!spec.hostname().empty() && !IsHostname(spec.hostname())) {
    out.push_back({"spec.hostname", absl::StrCat("\"", spec.hostname(), "\" is no host name")});
  }
  if (!spec.stop_signal().empty() && !ParseSignal(spec.stop_signal())) {
    out.push_back({"spec.stop_signal", absl::StrCat("there is no signal \"", spec.stop_signal(),
                                                    "\": use e.g. SIGTERM")});
  }
  if (spec.stop_grace().seconds() < 0 || spec.stop_grace().nanos() < 0) {
    out.push_back({"spec.stop_grace", "is negative"});
  }
}

int64_t HostMemory() {
  struct sysinfo info{};
  sysinfo(&info);
  return static_cast<int64_t>(info.totalram) * info.mem_unit;
}

// What the protos have room for and nothing brings about yet: refused, never
// ignored.
void CheckNotYet(const v1::WorkloadSpec& spec, Violations& out) {
  if (spec.restart() > v1::RESTART_POLICY_NO) {
    out.push_back({"spec.restart", "restart policies other than \"no\" are not supported yet"});
  }
  if (spec.autostart() && spec.remove_on_exit()) {
    out.push_back(
        {"spec.autostart", "has no meaning with --rm: it is deleted once it has stopped"});
  }
  if (spec.has_health()) out.push_back({"spec.health", "health checks are not supported yet"});
}

void CheckVolumeSpec(const v1::VolumeSpec& spec, Violations& out) {
  const bool block = spec.type() == v1::VOLUME_TYPE_BLOCK;
  if (spec.size_bytes() < 0 || (block && spec.size_bytes() == 0)) {
    out.push_back({"volume.spec.size_bytes", "is not above 0: give e.g. 10G"});
  }
  if (block && spec.size_bytes() > 0 && spec.size_bytes() < kLeastDisk) {
    out.push_back({"volume.spec.size_bytes", "is less than 1 MiB, too little for a filesystem"});
  }
  if (block && spec.size_bytes() % kSector != 0) {
    out.push_back({"volume.spec.size_bytes", "is no multiple of 512, as a disk's is"});
  }
  if (!spec.format().empty() && !block) {
    out.push_back({"volume.spec.format", "has no meaning for a folder: only for --type block"});
  } else if (!spec.format().empty() && spec.format() != "raw" && spec.format() != "qcow2") {
    out.push_back({"volume.spec.format",
                   absl::StrCat("there is no \"", spec.format(), "\": use raw or qcow2")});
  }
}

}  // namespace

bool IsName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (char c : name) {
    if (!IsLowerAlnum(c) && c != '-') return false;
  }
  return IsLowerAlnum(name.front()) && IsLowerAlnum(name.back());
}

Violations ValidateVolume(const v1::Volume& volume) {
  Violations out;
  if (!volume.name().empty() && !IsName(volume.name())) {
    out.push_back(NoName("volume.name", volume.name()));
  }
  CheckVolumeSpec(volume.spec(), out);
  std::map<std::string, std::string> labels(volume.labels().begin(), volume.labels().end());
  for (auto& violation : ValidateLabels(labels)) out.push_back(std::move(violation));
  return out;
}

Violations ValidateResources(const v1::Resources& resources) {
  Violations out;
  const double host_cpus = std::max(1u, std::thread::hardware_concurrency());
  if (resources.has_cpus() && !(resources.cpus() >= 0.01 && resources.cpus() <= host_cpus)) {
    out.push_back(
        {"spec.resources.cpus", absl::StrCat(resources.cpus(), " is not between 0.01 and ",
                                             host_cpus, ", the cpus of this host")});
  }
  if (resources.has_memory_bytes() && resources.memory_bytes() <= 0) {
    out.push_back({"spec.resources.memory_bytes",
                   absl::StrCat(resources.memory_bytes(), " is not above 0: give e.g. 256M")});
  }
  if (resources.memory_bytes() > HostMemory()) {
    out.push_back({"spec.resources.memory_bytes",
                   absl::StrCat(resources.memory_bytes() >> 20, " MiB is more than the ",
                                HostMemory() >> 20, " MiB of this host")});
  }
  if (resources.has_disk_bytes() && resources.disk_bytes() <= 0) {
    out.push_back({"spec.resources.disk_bytes",
                   absl::StrCat(resources.disk_bytes(), " is not above 0: give e.g. 2G")});
  }
  if (resources.has_pids() && resources.pids() < 1) {
    out.push_back(
        {"spec.resources.pids", absl::StrCat(resources.pids(), " is not above 0: give e.g. 512")});
  }
  CheckShares(resources, out);
  return out;
}

Violations ValidateLabels(const std::map<std::string, std::string>& labels) {
  Violations out;
  if (labels.size() > kMaxLabels) {
    out.push_back({"labels", absl::StrCat(labels.size(), " labels are more than ", kMaxLabels)});
  }
  for (const auto& [key, value] : labels) {
    bool good = !key.empty() && key.size() <= kMaxLabelKey && value.size() <= kMaxLabelValue;
    for (char c : key) {
      good = good && (isalnum(static_cast<unsigned char>(c)) ||
                      absl::string_view("._/-").find(c) != absl::string_view::npos);
    }
    if (good) continue;
    out.push_back({"labels", absl::StrCat("\"", key,
                                          "\": a key has 1 to 63 of A-Z a-z 0-9 . _ / -, "
                                          "a value at most 255 bytes")});
  }
  return out;
}

Violations ValidateWorkload(const v1::Workload& workload) {
  Violations out;
  CheckName(workload, out);
  if (workload.kind() != v1::KIND_CONTAINER && workload.kind() != v1::KIND_VM) {
    out.push_back({"kind", "is missing or unknown: give container or vm"});
  }
  const v1::WorkloadSpec& spec = workload.spec();
  if (spec.image().empty()) out.push_back({"spec.image", "is missing: name an image"});
  CheckWords(spec, out);
  CheckEnvironment(spec, out);
  CheckProcess(spec, out);
  CheckConfinement(spec, out);
  CheckNetworking(workload, out);
  CheckMounts(spec, out);
  CheckNotYet(spec, out);
  for (auto& violation : ValidateResources(spec.resources())) out.push_back(std::move(violation));
  CheckTogether(spec.resources(), out);
  std::map<std::string, std::string> labels(workload.labels().begin(), workload.labels().end());
  for (auto& violation : ValidateLabels(labels)) out.push_back(std::move(violation));
  return out;
}

}  // namespace vx::core
