#include "plugins/container/runtime/seccomp.h"

#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/json_fields.h"
#include "plugins/container/runtime/seccomp_rules.h"

namespace vx::container {
namespace {

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

struct Named {
  absl::string_view name;
  uint32_t value;
};

constexpr Named kArchitectures[] = {
    {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},   {"SCMP_ARCH_X86", SCMP_ARCH_X86},
    {"SCMP_ARCH_X32", SCMP_ARCH_X32},         {"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64},
    {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},         {"SCMP_ARCH_RISCV64", SCMP_ARCH_RISCV64},
    {"SCMP_ARCH_PPC64LE", SCMP_ARCH_PPC64LE}, {"SCMP_ARCH_S390X", SCMP_ARCH_S390X},
    {"SCMP_ARCH_S390", SCMP_ARCH_S390}};

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
  return BadConfig(where, absl::StrCat("is \"", name, "\", which is not supported"));
}

// Those that take a number do so in their low half.
constexpr Named kActions[] = {{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
                              {"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0)},
                              {"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD},
                              {"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
                              {"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
                              {"SCMP_ACT_LOG", SCMP_ACT_LOG},
                              {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0)},
                              {"SCMP_ACT_TRAP", SCMP_ACT_TRAP}};

constexpr char kThreadSync[] = "SECCOMP_FILTER_FLAG_TSYNC";
constexpr int64_t kMaxErrno = 4095;
constexpr unsigned kMaxArguments = 6;

absl::StatusOr<uint32_t> ParseAction(const std::string& action, int64_t error,
                                     absl::string_view where) {
  VX_ASSIGN_OR_RETURN(uint32_t value, Lookup(kActions, action, where));
  const bool takes_number = value == SCMP_ACT_ERRNO(0) || value == SCMP_ACT_TRACE(0);
  if (!takes_number) return value;
  if (error < 0 || error > kMaxErrno) return BadConfig(where, "has an errno that there is not");
  return value | static_cast<uint32_t>(error);
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
  if (index < 0 || index >= kMaxArguments || !value.is_number_integer()) {
    return BadConfig(where, "has no index of 0 to 5 or no value");
  }
  if (!second.is_null() && !second.is_number_integer()) {
    return BadConfig(absl::StrCat(where, ".valueTwo"), "is not a whole number");
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

// Several conditions on one argument can't be one rule: then each is a rule by itself,
// as other runtimes have it.
bool IsRepeated(const std::vector<scmp_arg_cmp>& arguments) {
  unsigned seen = 0;
  for (const scmp_arg_cmp& argument : arguments) {
    if ((seen >> argument.arg & 1) != 0) return true;
    seen |= 1u << argument.arg;
  }
  return false;
}

absl::Status AddForAll(scmp_filter_ctx filter, uint32_t action,
                       const std::vector<std::string>& names,
                       const std::vector<scmp_arg_cmp>& arguments) {
  for (const std::string& name : names) {
    if (!IsRepeated(arguments)) {
      VX_RETURN_IF_ERROR(AddRule(filter, action, name, arguments));
      continue;
    }
    for (const scmp_arg_cmp& argument : arguments) {
      VX_RETURN_IF_ERROR(AddRule(filter, action, name, {argument}));
    }
  }
  return absl::OkStatus();
}

// All of a rule must make sense, whether or not it counts here.
absl::Status AddRules(scmp_filter_ctx filter, const Json& json, const std::string& where,
                      const ProfileContext& context) {
  std::string name;
  std::vector<std::string> names;
  std::vector<scmp_arg_cmp> arguments;
  VX_ASSIGN_OR_RETURN(uint32_t action, GetAction(json, "action", "errnoRet", where));
  VX_RETURN_IF_ERROR(GetString(json, "name", where, name));
  VX_RETURN_IF_ERROR(GetStrings(json, "names", where, names));
  if (!name.empty()) names.push_back(name);
  if (names.empty()) return BadConfig(absl::StrCat(where, ".names"), "are missing");
  auto take_argument = [&](const Json& element, const std::string& what) -> absl::Status {
    VX_ASSIGN_OR_RETURN(scmp_arg_cmp argument, ParseArgument(element, what));
    arguments.push_back(argument);
    return absl::OkStatus();
  };
  VX_RETURN_IF_ERROR(ForEach(json, "args", where, take_argument));
  VX_ASSIGN_OR_RETURN(bool applies, RuleApplies(json, where, context));
  return applies ? AddForAll(filter, action, names, arguments) : absl::OkStatus();
}

absl::Status AddArchitectures(scmp_filter_ctx filter, const Json& profile,
                              const ProfileContext& context) {
  VX_ASSIGN_OR_RETURN(std::vector<std::string> names, ProfileArchitectures(profile, context));
  for (const std::string& name : names) {
    VX_ASSIGN_OR_RETURN(uint32_t arch, Lookup(kArchitectures, name, "linux.seccomp.architectures"));
    const int error = seccomp_arch_add(filter, arch);
    if (error != 0 && error != -EEXIST) {
      return ErrnoError(-error, absl::StrCat("seccomp architecture ", name));
    }
  }
  return absl::OkStatus();
}

absl::Status RefuseRest(const Json& profile) {
  std::vector<std::string> flags;
  VX_RETURN_IF_ERROR(GetStrings(profile, "flags", "linux.seccomp", flags));
  for (const std::string& flag : flags) {
    // The process has one thread.
    if (flag == kThreadSync) continue;
    return BadConfig("linux.seccomp.flags",
                     absl::StrCat("hold \"", flag, "\", which is not supported"));
  }
  for (const char* key : {"listenerPath", "listenerMetadata"}) {
    std::string value;
    VX_RETURN_IF_ERROR(GetString(profile, key, "linux.seccomp", value));
    if (!value.empty()) return BadConfig(absl::StrCat("linux.seccomp.", key), "is not supported");
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

absl::StatusOr<SeccompProgram> CompileFile(const std::string& path, uint64_t capabilities) {
  VX_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
  VX_ASSIGN_OR_RETURN(const Json profile, ParseJson(text, kMaxConfigBytes, path));
  return CompileSeccomp(profile, capabilities);
}

// Another build of this program may compile another program.
int64_t BuildStamp() {
  struct stat st{};
  return stat("/proc/self/exe", &st) == 0 ? absl::ToUnixNanos(absl::TimeFromTimespec(st.st_mtim))
                                          : 0;
}

// The file of a profile, for LoadSeccomp. FAILED_PRECONDITION when that of another one has
// its name.
absl::StatusOr<std::string> KeepProfile(const Json& profile, const std::string& dir) {
  const std::string text = profile.dump(-1, ' ', false, Json::error_handler_t::replace);
  const size_t hash = std::hash<std::string>()(absl::StrCat(BuildStamp(), "\n", text));
  const std::string path = absl::StrCat(dir, "/", absl::Hex(hash, absl::kZeroPad16), ".json");
  auto kept = ReadFile(path);
  if (kept.ok() && *kept != text) return absl::FailedPreconditionError(path);
  if (kept.ok()) return path;
  VX_RETURN_IF_ERROR(MakeDirs(dir, 0700));
  VX_RETURN_IF_ERROR(WriteFileAtomic(path, text, 0600));
  return path;
}

template <size_t N>
Json Names(const Named (&names)[N]) {
  Json list = Json::array();
  for (const Named& known : names) list.push_back(std::string(known.name));
  return list;
}

}  // namespace

absl::StatusOr<SeccompProgram> CompileSeccomp(const Json& profile, uint64_t capabilities) {
  if (profile.is_null()) return SeccompProgram();
  if (!profile.is_object()) return BadConfig("linux.seccomp", "is not an object");
  const ProfileContext context = ProfileContext::Here(capabilities);
  VX_RETURN_IF_ERROR(RefuseRest(profile));
  VX_ASSIGN_OR_RETURN(uint32_t action,
                      GetAction(profile, "defaultAction", "defaultErrnoRet", "linux.seccomp"));
  Filter filter(seccomp_init(action), seccomp_release);
  if (filter == nullptr) return ErrnoError(EINVAL, "start a seccomp program");
  // A binary tree instead of one long list.
  seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  VX_RETURN_IF_ERROR(AddArchitectures(filter.get(), profile, context));
  VX_RETURN_IF_ERROR(ForEach(profile, "syscalls", "linux.seccomp",
                             [&](const Json& element, const std::string& name) {
                               return AddRules(filter.get(), element, name, context);
                             }));
  return Export(filter.get());
}

absl::StatusOr<SeccompProgram> LoadSeccomp(const std::string& profile_path, uint64_t capabilities) {
  const ProfileContext context = ProfileContext::Here(capabilities);
  const std::string cache = absl::StrCat(profile_path, ".", absl::Hex(capabilities), "-",
                                         context.kernel_major, ".", context.kernel_minor, ".bpf");
  auto cached = ReadProgram(cache);
  if (cached.ok()) return cached;
  VX_ASSIGN_OR_RETURN(SeccompProgram program, CompileFile(profile_path, capabilities));
  const absl::string_view bytes(reinterpret_cast<const char*>(program.data()),
                                program.size() * sizeof(sock_filter));
  // Without the cache it is only slower.
  WriteFileAtomic(cache, bytes, 0600).IgnoreError();
  return program;
}

absl::StatusOr<SeccompProgram> FilterOf(const Config& config, const std::string& cache_dir) {
  const uint64_t capabilities = config.process.capabilities.bounding;
  if (!config.seccomp_file.empty()) return LoadSeccomp(config.seccomp_file, capabilities);
  if (config.seccomp.is_null()) return SeccompProgram();
  auto file = KeepProfile(config.seccomp, cache_dir);
  return file.ok() ? LoadSeccomp(*file, capabilities)
                   : CompileSeccomp(config.seccomp, capabilities);
}

Json SeccompFeatures() {
  return {{"enabled", true},
          {"actions", Names(kActions)},
          {"operators", Names(kComparisons)},
          {"archs", Names(kArchitectures)},
          {"knownFlags", {kThreadSync}},
          {"supportedFlags", {kThreadSync}}};
}

absl::Status InstallSeccomp(const SeccompProgram& program) {
  if (program.empty()) return absl::OkStatus();
  const sock_fprog fprog{static_cast<unsigned short>(program.size()),
                         const_cast<sock_filter*>(program.data())};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &fprog) == 0) return absl::OkStatus();
  return ErrnoError(errno, "install the seccomp filter");
}

}  // namespace vx::container
