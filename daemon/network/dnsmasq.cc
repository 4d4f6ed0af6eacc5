#include "daemon/network/dnsmasq.h"

#include <unistd.h>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"

namespace vx::network {
namespace {

constexpr char kProgramName[] = "dnsmasq";

constexpr char kProgram[] = "dnsmasq";
// Not in everybody's PATH.
constexpr char kUsualPlace[] = "/usr/sbin/dnsmasq";
constexpr absl::Duration kStartTimeout = absl::Seconds(20);

std::string HintFor(absl::string_view complaint) {
  if (!absl::StrContains(complaint, "in use")) return "";
  return "another name server has this port: bind that one to addresses of its own";
}

}  // namespace

absl::StatusOr<std::string> FindDnsmasq() {
  std::string program = FindProgram(kProgram);
  if (!program.empty()) return program;
  if (access(kUsualPlace, X_OK) == 0) return std::string(kUsualPlace);
  return Error(absl::StatusCode::kUnavailable, "NO_DNSMASQ",
               "dnsmasq, which networks have their names and DHCP from, is not installed",
               "run: apt-get install dnsmasq-base");
}

std::string DnsmasqMark(const DnsmasqPaths& paths) {
  return absl::StrCat("--pid-file=", paths.pid);
}

std::optional<MarkedProcess> FindServer(const DnsmasqPaths& paths) {
  auto text = ReadFile(paths.pid);
  pid_t pid = 0;
  if (!text.ok() || !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &pid) || pid <= 0) {
    return std::nullopt;
  }
  return LookAt(pid, DnsmasqMark(paths));
}

absl::Status StartDnsmasq(const std::vector<std::string>& argv) {
  auto started = RunCommandOk(argv, kStartTimeout);
  // One of its way into the background.
  ReapAdopted(kProgramName);
  if (started.ok()) return absl::OkStatus();
  const std::string complaint(started.status().message());
  return Error(absl::StatusCode::kUnavailable, "NAME_SERVER_FAILED",
               absl::StrCat("a network's name server can't be started: ", complaint),
               HintFor(complaint));
}

absl::Status EndDnsmasq(const DnsmasqPaths& paths) {
  // The server first, so that it makes no more of them.
  if (auto server = FindServer(paths)) VX_RETURN_IF_ERROR(End(*server));
  absl::Status ended = EndAllMarked(DnsmasqMark(paths));
  ReapAdopted(kProgramName);
  return ended;
}

}  // namespace vx::network
