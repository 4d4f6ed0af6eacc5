#include "daemon/network/host_settings.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::network {
namespace {

constexpr char kNet[] = "/proc/sys/net/";

std::string Setting(const std::string& name) {
  return std::string(absl::StripAsciiWhitespace(ReadFile(kNet + name).value_or("")));
}

absl::Status Set(const std::string& name, const std::string& value) {
  if (Setting(name) == value) return absl::OkStatus();
  const absl::Status status = WriteToFile(kNet + name, value);
  if (status.ok()) return status;
  return Error(status.code(), "SETTING_FAILED",
               absl::StrCat("set ", name, " to ", value, ": ", status.message()),
               absl::StrCat("as root of the host: echo ", value, " > ", kNet, name));
}

// Links that come and go meanwhile are no matter.
absl::Status KeepListeningToRouters() {
  VX_ASSIGN_OR_RETURN(const auto links, ListDir(absl::StrCat(kNet, "ipv6/conf")));
  for (const std::string& link : links) {
    const std::string name = absl::StrCat("ipv6/conf/", link, "/accept_ra");
    if (link == "all" || Setting(name) != "1") continue;
    const absl::Status status = Set(name, "2");
    if (!status.ok() && !absl::IsNotFound(status)) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status EnableForwarding(bool ipv6) {
  VX_RETURN_IF_ERROR(Set("ipv4/ip_forward", "1"));
  const std::string forwarding = "ipv6/conf/all/forwarding";
  const std::string now = Setting(forwarding);
  if (!ipv6 || now.empty() || now == "1") return absl::OkStatus();
  VX_RETURN_IF_ERROR(KeepListeningToRouters());
  return Set(forwarding, "1");
}

absl::Status AllowLoopbackPublishing(const std::string& bridge) {
  return Set(absl::StrCat("ipv4/conf/", bridge, "/route_localnet"), "1");
}

}  // namespace vx::network
