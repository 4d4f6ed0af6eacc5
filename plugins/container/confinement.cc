#include "plugins/container/confinement.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "nlohmann/json.hpp"
#include "plugins/container/runtime/capabilities.h"

namespace vx::container {
namespace {

constexpr char kAll[] = "ALL";
constexpr char kUnconfined[] = "unconfined";

// "net_admin" is CAP_NET_ADMIN, as for Docker.
std::string FullName(const std::string& name) {
  const std::string upper = absl::AsciiStrToUpper(name);
  return upper == kAll || absl::StartsWith(upper, "CAP_") ? upper : absl::StrCat("CAP_", upper);
}

template <typename Names>
bool HasAll(const Names& names) {
  return std::any_of(names.begin(), names.end(),
                     [](const std::string& name) { return FullName(name) == kAll; });
}

template <typename Names>
void CheckNames(const Names& names, const char* field, std::vector<FieldViolation>& out) {
  for (const std::string& name : names) {
    const std::string full = FullName(name);
    if (full == kAll || CapabilityNumber(full) >= 0) continue;
    out.push_back({field, absl::StrCat("\"", name, "\" is no capability: use e.g. NET_ADMIN")});
  }
}

// What is kept follows the kernel's own order.
std::vector<std::string> Capabilities(const v1::WorkloadSpec& spec) {
  const v1::Security& security = spec.security();
  const std::vector<std::string> every = CapabilityNames();
  const std::vector<std::string> usual = spec.privileged() ? every : DefaultCapabilities();
  std::set<std::string> kept;
  if (!HasAll(security.cap_drop())) kept.insert(usual.begin(), usual.end());
  if (HasAll(security.cap_add())) kept.insert(every.begin(), every.end());
  for (const std::string& name : security.cap_add()) kept.insert(FullName(name));
  for (const std::string& name : security.cap_drop()) kept.erase(FullName(name));
  std::vector<std::string> result;
  for (const std::string& name : every) {
    if (kept.contains(name)) result.push_back(name);
  }
  return result;
}

void CheckFilter(const v1::WorkloadSpec& spec, std::vector<FieldViolation>& out) {
  if (!HasOwnFilter(spec)) return;
  const auto profile = nlohmann::json::parse(spec.security().seccomp(), nullptr, false);
  if (profile.is_object() && profile.contains("defaultAction")) return;
  out.push_back({"spec.security.seccomp",
                 "is neither \"unconfined\" nor a profile: JSON with a defaultAction"});
}

}  // namespace

std::vector<std::string> DefaultCapabilities() {
  return {"CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FOWNER",           "CAP_FSETID",
          "CAP_KILL",    "CAP_SETGID",       "CAP_SETUID",           "CAP_SETPCAP",
          "CAP_SETFCAP", "CAP_NET_RAW",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT"};
}

bool IsUnfiltered(const v1::WorkloadSpec& spec) {
  const std::string& seccomp = spec.security().seccomp();
  return seccomp == kUnconfined || (seccomp.empty() && spec.privileged());
}

bool HasOwnFilter(const v1::WorkloadSpec& spec) {
  return !spec.security().seccomp().empty() && spec.security().seccomp() != kUnconfined;
}

std::vector<FieldViolation> CheckConfinement(const v1::WorkloadSpec& spec) {
  std::vector<FieldViolation> out;
  CheckNames(spec.security().cap_add(), "spec.security.cap_add", out);
  CheckNames(spec.security().cap_drop(), "spec.security.cap_drop", out);
  CheckFilter(spec, out);
  for (int i = 0; i < spec.devices_size(); ++i) {
    auto device = FindDevice(spec.devices(i));
    if (device.ok()) continue;
    out.push_back(
        {absl::StrCat("spec.devices[", i, "].source"), std::string(device.status().message())});
  }
  return out;
}

absl::StatusOr<Confinement> ToConfinement(const v1::WorkloadSpec& spec) {
  const v1::Security& security = spec.security();
  Confinement confinement;
  confinement.capabilities = Capabilities(spec);
  confinement.user_namespace = !spec.privileged() && !security.host_userns();
  confinement.new_privileges = spec.privileged() || security.new_privileges();
  confinement.sees_all = spec.privileged();
  confinement.read_only = spec.read_only();
  if (security.apparmor() != kUnconfined) confinement.apparmor = security.apparmor();
  // The first of a path wins: those that the spec names.
  for (const v1::Device& wanted : spec.devices()) {
    VX_ASSIGN_OR_RETURN(HostDevice device, FindDevice(wanted));
    confinement.devices.push_back(std::move(device));
  }
  if (spec.privileged()) {
    for (HostDevice& device : AllDevices()) confinement.devices.push_back(std::move(device));
  }
  confinement.tmpfs = {spec.tmpfs().begin(), spec.tmpfs().end()};
  return confinement;
}

bool IsOnHostNetwork(const v1::WorkloadSpec& spec) {
  return spec.networks_size() == 1 && spec.networks(0) == "host";
}

}  // namespace vx::container
