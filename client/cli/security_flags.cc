#include "client/cli/security_flags.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/errors.h"
#include "client/cli/parse.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

absl::Status InFlag(const char* flag, const absl::Status& status) {
  return status.ok() ? status : Misuse(Annotate(status, flag));
}

absl::Status Bad(absl::string_view text, absl::string_view hint) {
  return Error(absl::StatusCode::kInvalidArgument, "BAD_VALUE",
               absl::StrCat("\"", text, "\" makes no sense"), hint);
}

absl::StatusOr<uint32_t> ParseMode(const std::string& text) {
  uint32_t mode = 0;
  const bool octal =
      !text.empty() && text.size() <= 5 && text.find_first_not_of("01234567") == std::string::npos;
  if (!octal) return Bad(text, "write permission bits, e.g. mode=1777");
  for (const char c : text) mode = mode * 8 + static_cast<uint32_t>(c - '0');
  return mode;
}

absl::Status TakeTmpfsOption(const std::string& option, v1::Tmpfs* tmpfs) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(option, absl::MaxSplits('=', 1));
  if (parts.first == "size") {
    VX_ASSIGN_OR_RETURN(int64_t bytes, client::ParseSize(parts.second));
    tmpfs->set_size_bytes(bytes);
  } else if (parts.first == "mode") {
    VX_ASSIGN_OR_RETURN(uint32_t mode, ParseMode(parts.second));
    tmpfs->set_mode(mode);
  } else if (option == "exec" || option == "noexec") {
    tmpfs->set_exec(option == "exec");
  } else {
    return Bad(option, "options are size=64M, mode=1777 and exec");
  }
  return absl::OkStatus();
}

// The text of a profile's file, or "unconfined".
absl::StatusOr<std::string> ReadProfile(const std::string& value) {
  if (value == "unconfined") return value;
  if (value.empty()) return Bad("seccomp=", "write seccomp=FILE or seccomp=unconfined");
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(value));
  VX_RETURN_IF_ERROR(CheckText(text));
  if (text.empty()) return Bad(value, "the file is empty; name a profile");
  return text;
}

absl::Status TakeSecurity(const std::string& text, v1::Security* security) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const std::string& value = parts.second;
  if (parts.first == "seccomp") {
    VX_ASSIGN_OR_RETURN(*security->mutable_seccomp(), ReadProfile(value));
  } else if (parts.first == "apparmor" && !value.empty()) {
    security->set_apparmor(value);
  } else if (text == "no-new-privileges" || text == "no-new-privileges=true") {
    security->set_new_privileges(false);
  } else if (text == "no-new-privileges=false") {
    security->set_new_privileges(true);
  } else {
    return Bad(text,
               "write seccomp=FILE|unconfined, apparmor=NAME or no-new-privileges=true|false");
  }
  return absl::OkStatus();
}

absl::Status FillLimits(const SecurityFlags& flags, v1::WorkloadSpec* spec) {
  const bool any = !flags.cap_add.empty() || !flags.cap_drop.empty() || !flags.security.empty();
  const bool host = flags.userns.has_value() && *flags.userns == "host";
  if (flags.userns.has_value() && !host && *flags.userns != "auto") {
    return InFlag("--userns", Bad(*flags.userns, "write auto or host"));
  }
  if (!any && !host) return absl::OkStatus();
  v1::Security* security = spec->mutable_security();
  for (const std::string& name : flags.cap_add) security->add_cap_add(name);
  for (const std::string& name : flags.cap_drop) security->add_cap_drop(name);
  for (const std::string& text : flags.security) {
    VX_RETURN_IF_ERROR(InFlag("--security", TakeSecurity(text, security)));
  }
  security->set_host_userns(host);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::Tmpfs> ParseTmpfs(absl::string_view text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  v1::Tmpfs tmpfs;
  if (!absl::StartsWith(parts.first, "/")) {
    return Bad(text, "write PATH[:size=64M,mode=1777,exec] with an absolute path");
  }
  tmpfs.set_target(parts.first);
  for (absl::string_view option : absl::StrSplit(parts.second, ',', absl::SkipEmpty())) {
    VX_RETURN_IF_ERROR(TakeTmpfsOption(std::string(option), &tmpfs));
  }
  return tmpfs;
}

absl::StatusOr<v1::Device> ParseDevice(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  v1::Device device;
  device.set_source(parts[0]);
  size_t next = 1;
  if (next < parts.size() && absl::StartsWith(parts[next], "/")) device.set_target(parts[next++]);
  if (next < parts.size() && !parts[next].empty()) device.set_access(parts[next++]);
  if (next != parts.size() || !absl::StartsWith(parts[0], "/")) {
    return Bad(text, "write SOURCE[:TARGET][:rwm], e.g. /dev/fuse");
  }
  return device;
}

void DeclareSecurity(Arguments& arguments, SecurityFlags* flags) {
  arguments.Flag("--privileged", &flags->privileged, "With all the host's privileges");
  arguments.List("--cap-add", &flags->cap_add, "NAME", "A capability, e.g. NET_ADMIN; or ALL");
  arguments.List("--cap-drop", &flags->cap_drop, "NAME", "Without this capability; or ALL");
  arguments.List("--security", &flags->security, "WHAT=VALUE",
                 "seccomp=FILE|unconfined, apparmor=NAME, no-new-privileges=true|false");
  arguments.Option("--userns", &flags->userns, "auto|host", "User ids of its own, or the host's");
  arguments.List("--device", &flags->devices, "SRC[:DST][:rwm]", "A device of the host");
  arguments.Flag("--read-only", &flags->read_only, "The root can't be written to");
  arguments.List("--tmpfs", &flags->tmpfs, "PATH[:size=64M,mode=1777,exec]",
                 "A filesystem in memory");
  arguments.Flag("--init", &flags->init, "A small init as its first process");
}

absl::Status FillSecurity(const SecurityFlags& flags, v1::WorkloadSpec* spec) {
  spec->set_privileged(flags.privileged);
  spec->set_read_only(flags.read_only);
  spec->set_init(flags.init);
  for (const std::string& text : flags.tmpfs) {
    auto tmpfs = ParseTmpfs(text);
    if (!tmpfs.ok()) return InFlag("--tmpfs", tmpfs.status());
    *spec->add_tmpfs() = *std::move(tmpfs);
  }
  for (const std::string& text : flags.devices) {
    auto device = ParseDevice(text);
    if (!device.ok()) return InFlag("--device", device.status());
    *spec->add_devices() = *std::move(device);
  }
  return FillLimits(flags, spec);
}

}  // namespace vx::cli
