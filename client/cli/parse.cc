#include "client/cli/parse.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "client/cli/errors.h"
#include "client/lib/json.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

absl::Status Bad(absl::string_view reason, absl::string_view text, absl::string_view what,
                 absl::string_view hint) {
  return Error(absl::StatusCode::kInvalidArgument, reason,
               absl::StrCat("\"", text, "\" is not ", what), hint);
}

std::pair<absl::string_view, absl::string_view> Split(absl::string_view text, char at) {
  return absl::StrSplit(text, absl::MaxSplits(at, 1));
}

absl::Status BadPort(absl::string_view text) {
  return Bad("BAD_PORT", text, "a published port",
             "write [IP:]HOST:GUEST[/udp] with ports from 1 to 65535, e.g. 8080:80, or ranges of "
             "the same length, e.g. 8000-8009:80-89");
}

bool ParsePortNumber(absl::string_view text, int32_t* port) {
  bool digits = !text.empty() && text.find_first_not_of("0123456789") == absl::string_view::npos;
  return digits && absl::SimpleAtoi(text, port) && *port >= 1 && *port <= 65535;
}

// "80" or "80-89": the first, and how many.
bool ParsePortRange(absl::string_view text, int32_t* first, int32_t* count) {
  auto [begin, end] = Split(text, '-');
  *count = 1;
  if (!ParsePortNumber(begin, first)) return false;
  if (!absl::StrContains(text, "-")) return true;
  int32_t last = 0;
  if (!ParsePortNumber(end, &last) || last < *first) return false;
  *count = last - *first + 1;
  return true;
}

// Takes "IP:" or "[IP]:" from the front when there are two more numbers behind it.
bool TakeHostIp(absl::string_view* text, std::string* ip) {
  if (absl::ConsumePrefix(text, "[")) {
    size_t end = text->find("]:");
    if (end == absl::string_view::npos) return false;
    *ip = std::string(text->substr(0, end));
    text->remove_prefix(end + 2);
    return true;
  }
  size_t first = text->find(':');
  if (first == absl::string_view::npos || text->find(':', first + 1) == absl::string_view::npos) {
    return true;
  }
  *ip = std::string(text->substr(0, first));
  text->remove_prefix(first + 1);
  return !ip->empty();
}

}  // namespace

absl::Status CheckText(absl::string_view text) {
  if (client::IsUtf8(text)) return absl::OkStatus();
  return Bad("BAD_TEXT", absl::CHexEscape(text), "text in UTF-8",
             "vx carries text only; pass other bytes in a file or through stdin");
}

absl::Status AddLabel(absl::string_view text, StringMap* labels) {
  auto [key, value] = Split(text, '=');
  if (key.empty()) return Bad("BAD_LABEL", text, "a label", "write KEY=VALUE");
  (*labels)[std::string(key)] = std::string(value);
  return absl::OkStatus();
}

absl::Status AddEnv(absl::string_view text, StringMap* env) {
  auto [key, value] = Split(text, '=');
  std::string name(key);
  if (name.empty()) return Bad("BAD_ENV", text, "a variable", "write NAME=VALUE");
  VX_RETURN_IF_ERROR(CheckText(text));
  if (absl::StrContains(text, "=")) {
    (*env)[name] = std::string(value);
    return absl::OkStatus();
  }
  const char* own = getenv(name.c_str());
  if (own == nullptr) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_ENV",
                 absl::StrCat(name, " is not in the environment of vxctl"),
                 absl::StrCat("export it, or write ", name, "=VALUE"));
  }
  VX_RETURN_IF_ERROR(CheckText(own));
  (*env)[name] = own;
  return absl::OkStatus();
}

absl::Status AddEnvFile(const std::string& path, StringMap* env) {
  VX_ASSIGN_OR_RETURN(std::string content, ReadFile(path));
  int number = 0;
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    ++number;
    line = absl::StripLeadingAsciiWhitespace(absl::StripSuffix(line, "\r"));
    if (line.empty() || absl::StartsWith(line, "#")) continue;
    if (absl::Status status = AddEnv(line, env); !status.ok()) {
      return Annotate(status, absl::StrCat(path, ":", number));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::PortMapping> ParsePort(absl::string_view text) {
  v1::PortMapping port;
  auto [where, protocol] = Split(text, '/');
  if (absl::StrContains(text, "/") && protocol != "tcp" && protocol != "udp") return BadPort(text);
  port.set_protocol(protocol.empty() ? "tcp" : std::string(protocol));
  if (!TakeHostIp(&where, port.mutable_host_ip())) return BadPort(text);
  auto [host, guest] = Split(where, ':');
  int32_t host_port = 0, host_count = 0;
  int32_t guest_port = 0, guest_count = 0;
  if (!ParsePortRange(host, &host_port, &host_count) ||
      !ParsePortRange(guest, &guest_port, &guest_count) || host_count != guest_count) {
    return BadPort(text);
  }
  if (host_count > 1) port.set_count(host_count);
  port.set_host_port(host_port);
  port.set_guest_port(guest_port);
  return port;
}

namespace {

// False where it is none.
bool TakeMountOption(absl::string_view option, v1::Mount* mount) {
  if (option == "ro" || option == "rw") {
    mount->set_read_only(option == "ro");
  } else if (option == "nocopy") {
    mount->set_no_copy(true);
  } else if (absl::ConsumePrefix(&option, "subpath=") && !option.empty()) {
    mount->set_subpath(std::string(option));
  } else {
    return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<v1::Mount> ParseMount(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 2));
  v1::Mount mount;
  bool good = parts.size() >= 2 && !parts[0].empty() && absl::StartsWith(parts[1], "/");
  if (good && parts.size() == 3) {
    for (absl::string_view option : absl::StrSplit(parts[2], ',')) {
      good = good && TakeMountOption(option, &mount);
    }
  }
  if (!good) {
    return Bad("BAD_VOLUME", text, "a volume",
               "write NAME:/INSIDE or /HOST:/INSIDE, with :ro, :nocopy or :subpath=DIR if wanted "
               "(several with commas)");
  }
  mount.set_source(parts[0]);
  mount.set_target(parts[1]);
  return mount;
}

absl::StatusOr<v1::Kind> ParseKind(absl::string_view text) {
  if (text == "container") return v1::KIND_CONTAINER;
  if (text == "vm") return v1::KIND_VM;
  if (text == "auto") return NotYetError("--kind=auto", "write --kind=container or --kind=vm");
  std::string message =
      text.empty() ? "which kind?" : absl::StrCat("there is no kind \"", text, "\"");
  return Error(absl::StatusCode::kInvalidArgument, "UNKNOWN_KIND", message,
               "write --kind=container or --kind=vm");
}

absl::StatusOr<v1::RestartPolicy> ParseRestart(absl::string_view text) {
  if (text == "no") return v1::RESTART_POLICY_NO;
  if (text == "on-failure") return v1::RESTART_POLICY_ON_FAILURE;
  if (text == "always") return v1::RESTART_POLICY_ALWAYS;
  if (text == "unless-stopped") return v1::RESTART_POLICY_UNLESS_STOPPED;
  if (absl::StartsWith(text, "on-failure:")) {
    return NotYetError("a number of tries (--restart on-failure:N)", "write --restart on-failure");
  }
  return Bad("BAD_RESTART", text, "a restart policy",
             "write no, on-failure, always or unless-stopped");
}

}  // namespace vx::cli
