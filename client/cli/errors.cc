#include "client/cli/errors.h"

#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "client/lib/rpc_error.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

constexpr char kMisuse[] = "vx/misuse";

// Fields of the API and the flags that fill them.
constexpr std::pair<absl::string_view, absl::string_view> kFlags[] = {
    {"filters", "--filter"},
    {"kind", "--kind"},
    {"labels", "--label"},
    {"name", "--name"},
    {"spec.addresses", "--ip"},
    {"spec.aliases", "--network-alias"},
    {"spec.autostart", "--autostart"},
    {"spec.devices", "--device"},
    {"spec.dns", "--dns"},
    {"spec.entrypoint", "--entrypoint"},
    {"spec.env", "--env"},
    {"spec.health", "--health-cmd"},
    {"new_name", "the new name"},
    {"spec.hostname", "--hostname"},
    {"spec.image", "the image"},
    {"spec.init", "--init"},
    {"spec.command", "the command"},
    {"spec.gateway", "--gateway"},
    {"spec.host_bridge", "--host-bridge"},
    {"spec.internal", "--internal"},
    {"spec.ipv6_subnet", "--ipv6-subnet"},
    {"spec.isolated", "--isolated"},
    {"spec.mac", "--mac"},
    {"spec.mounts", "--volume"},
    {"spec.mtu", "--mtu"},
    {"spec.networks", "--network"},
    {"spec.ports", "--publish"},
    {"spec.privileged", "--privileged"},
    {"spec.read_only", "--read-only"},
    {"spec.remove_on_exit", "--rm"},
    {"spec.resources.cpu_weight", "--cpu-weight"},
    {"spec.resources.cpus", "--cpus"},
    {"spec.resources.cpuset", "--cpuset"},
    {"spec.resources.disk_bytes", "--disk"},
    {"spec.resources.memory_bytes", "--memory"},
    {"spec.resources.memory_reservation_bytes", "--memory-reservation"},
    {"spec.resources.pids", "--pids"},
    {"spec.resources.swap_bytes", "--swap"},
    {"spec.resources.network_receive_bytes", "--network-in"},
    {"spec.resources.network_send_bytes", "--network-out"},
    {"spec.restart", "--restart"},
    {"spec.security.cap_add", "--cap-add"},
    {"spec.security.cap_drop", "--cap-drop"},
    {"spec.security.host_userns", "--userns"},
    {"spec.security", "--security"},
    {"spec.stdin", "--interactive"},
    {"spec.subnet", "--subnet"},
    {"spec.stop_grace", "--stop-timeout"},
    {"spec.stop_signal", "--stop-signal"},
    {"spec.tmpfs", "--tmpfs"},
    {"spec.tty", "--tty"},
    {"spec.user", "--user"},
    {"spec.working_dir", "--workdir"},
    {"volume.name", "NAME"},
    {"volume.spec.backend", "--backend"},
    {"volume.spec.format", "--format"},
    {"volume.spec.size_bytes", "--size"},
};

// A refused field as the user wrote it: the flag, or the field where none fills it.
std::string FlagOf(absl::string_view field) {
  for (const auto& [path, flag] : kFlags) {
    absl::string_view rest = field;
    bool same =
        absl::ConsumePrefix(&rest, path) && (rest.empty() || rest[0] == '.' || rest[0] == '[');
    if (same) return std::string(flag);
  }
  return std::string(field);
}

std::string Line(const FieldViolation& violation) {
  return Printable(absl::StrCat(FlagOf(violation.field), ": ", violation.description));
}

// The sentence, and below it what else there is to say.
struct Parts {
  std::string sentence;
  std::string details;
};

Parts Explain(const absl::Status& status) {
  std::vector<FieldViolation> violations = ErrorViolations(status);
  if (violations.empty()) return {Printable(status.message()), ""};
  if (violations.size() == 1) return {Line(violations[0]), ""};
  Parts parts = {absl::StrCat(violations.size(), " things are refused"), ""};
  for (const FieldViolation& each : violations)
    absl::StrAppend(&parts.details, "  ", Line(each), "\n");
  return parts;
}

}  // namespace

absl::Status UsageError(absl::string_view message, absl::string_view hint) {
  return Misuse(Error(absl::StatusCode::kInvalidArgument, "USAGE", message, hint));
}

absl::Status NotYetError(absl::string_view what, absl::string_view hint) {
  return Misuse(Error(absl::StatusCode::kUnimplemented, "NOT_YET",
                      absl::StrCat(what, " is not supported yet"), hint));
}

absl::Status Misuse(absl::Status status) {
  if (!status.ok()) status.SetPayload(kMisuse, absl::Cord("1"));
  return status;
}

int ExitStatus(const absl::Status& status) {
  if (status.ok()) return 0;
  return status.GetPayload(kMisuse).has_value() ? kExitMisuse : kExitError;
}

std::string Describe(const absl::Status& status) {
  Parts parts = Explain(status);
  std::string text = absl::StrCat("vxctl: ", parts.sentence, " (",
                                  Printable(client::ReasonOrCode(status)), ")\n", parts.details);
  std::string hint = ErrorHint(status);
  if (!hint.empty()) absl::StrAppend(&text, "hint: ", Printable(hint), "\n");
  return text;
}

int Report(const absl::Status& status) {
  if (!status.ok()) fputs(Describe(status).c_str(), stderr);
  return ExitStatus(status);
}

std::string Printable(absl::string_view text, bool keep_newlines) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    // C1 controls are two bytes in UTF-8.
    bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1 || (absl::ascii_iscntrl(c) && !(keep_newlines && c == '\n'))) {
      absl::StrAppendFormat(&out, "\\x%02x", c1 ? static_cast<unsigned char>(text[++i]) : c);
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace vx::cli
