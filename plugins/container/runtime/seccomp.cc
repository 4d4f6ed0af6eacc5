#include "plugins/container/runtime/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/json_fields.h"

namespace vx::container {
namespace {

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

struct Named {
  absl::string_view name;
  uint32_t value;
};

constexpr Named kArchitectures[] = {{"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
                                    {"SCMP_ARCH_X86", SCMP_ARCH_X86},
                                    {"SCMP_ARCH_X32", SCMP_ARCH_X32},
                                    {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
                                    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM}};

constexpr Named kComparisons[] = {{"SCMP_CMP_NE", SCMP_CMP_NE},
                                  {"SCMP_CMP_LT", SCMP_CMP_LT},
                                  {"SCMP_CMP_LE", SCMP_CMP_LE},
                                  {"SCMP_CMP_EQ", SCMP_CMP_EQ},
                                  {"SCMP_CMP_GE", SCMP_CMP_GE},
                                  {"SCMP_CMP_GT", SCMP_CMP_GT},
                                  {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};

template <size_t N>
absl::StatusOr<uint32_t> Lookup(const Named (&names)[N], const std::string& name,
                                absl::string_view where) {
  for (const Named& known : names) {
    if (known.name == name) return known.value;
  }
  return BadConfig(where, absl::StrCat("is \"", name, "\", which is not known"));
}

absl::StatusOr<uint32_t> ParseAction(const std::string& action, int64_t error,
                                     absl::string_view where) {
  if (action == "SCMP_ACT_ALLOW") return SCMP_ACT_ALLOW;
  if (action == "SCMP_ACT_ERRNO") return SCMP_ACT_ERRNO(static_cast<uint16_t>(error));
  if (action == "SCMP_ACT_KILL" || action == "SCMP_ACT_KILL_THREAD") return SCMP_ACT_KILL_THREAD;
  if (action == "SCMP_ACT_KILL_PROCESS") return SCMP_ACT_KILL_PROCESS;
  if (action == "SCMP_ACT_TRAP") return SCMP_ACT_TRAP;
  if (action == "SCMP_ACT_LOG") return SCMP_ACT_LOG;
  return BadConfig(where, absl::StrCat("is \"", action, "\", which is not supported"));
}

absl::StatusOr<uint32_t> GetAction(const Json& json, const char* action_key, const char* errno_key,
                                   const std::string& where) {
  std::string action;
  int64_t error = EPERM;
  VX_RETURN_IF_ERROR(GetString(json, action_key, where, action));
  VX_RETURN_IF_ERROR(GetInt(json, errno_key, where, error));
  return ParseAction(action, error, absl::StrCat(where, ".", action_key));
}

absl::StatusOr<scmp_arg_cmp> ParseArgument(const Json& json, const std::string& where) {
  int64_t index = 0;
  std::string op;
  VX_RETURN_IF_ERROR(GetInt(json, "index", where, index));
  VX_RETURN_IF_ERROR(GetString(json, "op", where, op));
  VX_ASSIGN_OR_RETURN(uint32_t compare, Lookup(kComparisons, op, absl::StrCat(where, ".op")));
  const Json& value = Member(json, "value");
  const Json& second = Member(json, "valueTwo");
  if (index < 0 || index > 5 || !value.is_number_integer()) {
    return BadConfig(where, "has no index of 0 to 5 or no value");
  }
  scmp_arg_cmp argument{};
  argument.arg = static_cast<unsigned>(index);
  argument.op = static_cast<scmp_compare>(compare);
  argument.datum_a = value.get<uint64_t>();
  argument.datum_b = second.is_number_integer() ? second.get<uint64_t>() : 0;
  return argument;
}

absl::Status AddRule(scmp_filter_ctx filter, uint32_t action, const std::string& name,
                     const std::vector<scmp_arg_cmp>& arguments) {
  const int number = seccomp_syscall_resolve_name(name.c_str());
  if (number == __NR_SCMP_ERROR) return absl::OkStatus();
  const int error = seccomp_rule_add_array(
      filter, action, number, static_cast<unsigned>(arguments.size()), arguments.data());
  // EACCES: the rule is the default action.
  if (error == 0 || error == -EACCES) return absl::OkStatus();
  return ErrnoError(-error, absl::StrCat("seccomp rule for ", name));
}

absl::Status AddRules(scmp_filter_ctx filter, const Json& json, const std::string& where) {
  std::vector<std::string> names;
  std::vector<scmp_arg_cmp> arguments;
  VX_ASSIGN_OR_RETURN(uint32_t action, GetAction(json, "action", "errnoRet", where));
  VX_RETURN_IF_ERROR(GetStrings(json, "names", where, names));
  auto take_argument = [&](const Json& element, const std::string& name) -> absl::Status {
    VX_ASSIGN_OR_RETURN(scmp_arg_cmp argument, ParseArgument(element, name));
    arguments.push_back(argument);
    return absl::OkStatus();
  };
  VX_RETURN_IF_ERROR(ForEach(json, "args", where, take_argument));
  for (const std::string& name : names) {
    VX_RETURN_IF_ERROR(AddRule(filter, action, name, arguments));
  }
  return absl::OkStatus();
}

// Those of another machine are skipped.
absl::Status AddArchitectures(scmp_filter_ctx filter, const Json& profile) {
  std::vector<std::string> names;
  VX_RETURN_IF_ERROR(GetStrings(profile, "architectures", "linux.seccomp", names));
  for (const std::string& name : names) {
    VX_ASSIGN_OR_RETURN(uint32_t arch, Lookup(kArchitectures, name, "linux.seccomp.architectures"));
    const int error = seccomp_arch_add(filter, arch);
    if (error != 0 && error != -EEXIST && error != -EDOM && error != -EINVAL) {
      return ErrnoError(-error, absl::StrCat("seccomp architecture ", name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SeccompProgram> Export(scmp_filter_ctx filter) {
  UniqueFd fd(memfd_create("seccomp", MFD_CLOEXEC));
  const int error = fd.valid() ? seccomp_export_bpf(filter, fd.get()) : -errno;
  if (error != 0) return ErrnoError(-error, "export the seccomp program");
  const off_t size = lseek(fd.get(), 0, SEEK_END);
  SeccompProgram program(static_cast<size_t>(size) / sizeof(sock_filter));
  if (pread(fd.get(), program.data(), static_cast<size_t>(size), 0) != size) {
    return ErrnoError(errno, "read the seccomp program");
  }
  return program;
}

absl::StatusOr<SeccompProgram> ReadProgram(const std::string& path) {
  VX_ASSIGN_OR_RETURN(std::string bytes, ReadFile(path));
  const size_t count = bytes.size() / sizeof(sock_filter);
  if (count == 0 || count > BPF_MAXINSNS || bytes.size() % sizeof(sock_filter) != 0) {
    return absl::DataLossError(absl::StrCat(path, " is no seccomp program"));
  }
  SeccompProgram program(count);
  memcpy(program.data(), bytes.data(), bytes.size());
  return program;
}

absl::StatusOr<SeccompProgram> CompileFile(const std::string& path) {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  const Json profile = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (profile.is_discarded()) return BadConfig(path, "is not JSON");
  return CompileSeccomp(profile);
}

}  // namespace

absl::StatusOr<SeccompProgram> CompileSeccomp(const Json& profile) {
  if (profile.is_null()) return SeccompProgram();
  VX_ASSIGN_OR_RETURN(uint32_t action,
                      GetAction(profile, "defaultAction", "defaultErrnoRet", "linux.seccomp"));
  Filter filter(seccomp_init(action), seccomp_release);
  if (filter == nullptr) return ErrnoError(EINVAL, "start a seccomp program");
  // A binary tree instead of one long list.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  VX_RETURN_IF_ERROR(AddArchitectures(filter.get(), profile));
  VX_RETURN_IF_ERROR(ForEach(profile, "syscalls", "linux.seccomp",
                             [&](const Json& element, const std::string& name) {
                               return AddRules(filter.get(), element, name);
                             }));
  return Export(filter.get());
}

absl::StatusOr<SeccompProgram> LoadSeccomp(const std::string& profile_path) {
  const std::string cache = absl::StrCat(profile_path, ".bpf");
  auto cached = ReadProgram(cache);
  if (cached.ok()) return cached;
  VX_ASSIGN_OR_RETURN(SeccompProgram program, CompileFile(profile_path));
  const absl::string_view bytes(reinterpret_cast<const char*>(program.data()),
                                program.size() * sizeof(sock_filter));
  // Without the cache it is only slower.
  WriteFileAtomic(cache, bytes, 0600).IgnoreError();
  return program;
}

absl::StatusOr<SeccompProgram> FilterOf(const Config& config) {
  return config.seccomp_file.empty() ? CompileSeccomp(config.seccomp)
                                     : LoadSeccomp(config.seccomp_file);
}

absl::Status InstallSeccomp(const SeccompProgram& program) {
  if (program.empty()) return absl::OkStatus();
  const sock_fprog fprog{static_cast<unsigned short>(program.size()),
                         const_cast<sock_filter*>(program.data())};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) == 0) return absl::OkStatus();
  return ErrnoError(errno, "install the seccomp filter");
}

}  // namespace vx::container
