#include "plugins/container/runtime/seccomp_rules.h"

#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/base/status_macros.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {
namespace {

// All that the specification names.
constexpr const char* kArchitectures[] = {
    "SCMP_ARCH_X86",         "SCMP_ARCH_X86_64",   "SCMP_ARCH_X32",     "SCMP_ARCH_ARM",
    "SCMP_ARCH_AARCH64",     "SCMP_ARCH_MIPS",     "SCMP_ARCH_MIPS64",  "SCMP_ARCH_MIPS64N32",
    "SCMP_ARCH_MIPSEL",      "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_PPC",     "SCMP_ARCH_PPC64",
    "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC64LE",  "SCMP_ARCH_S390",    "SCMP_ARCH_S390X",
    "SCMP_ARCH_PARISC",      "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64",
    "SCMP_ARCH_M68K",        "SCMP_ARCH_SH",       "SCMP_ARCH_SHEB"};

// How `uname -m`, Docker and libseccomp call a machine, and what else runs on it.
struct Machine {
  const char* kernel;
  const char* docker;
  const char* architecture;
  std::vector<std::string> others;
};

const std::vector<Machine>& Machines() {
  static const auto* machines = new std::vector<Machine>{
      {"x86_64", "amd64", "SCMP_ARCH_X86_64", {"SCMP_ARCH_X86", "SCMP_ARCH_X32"}},
      {"aarch64", "arm64", "SCMP_ARCH_AARCH64", {"SCMP_ARCH_ARM"}},
      {"armv7l", "arm", "SCMP_ARCH_ARM", {}},
      {"i686", "x86", "SCMP_ARCH_X86", {}},
      {"riscv64", "riscv64", "SCMP_ARCH_RISCV64", {}},
      {"ppc64le", "ppc64le", "SCMP_ARCH_PPC64LE", {}},
      {"s390x", "s390x", "SCMP_ARCH_S390X", {"SCMP_ARCH_S390"}}};
  return *machines;
}

const Machine* FindMachine(const std::string& architecture) {
  for (const Machine& machine : Machines()) {
    if (machine.architecture == architecture) return &machine;
  }
  return nullptr;
}

bool Holds(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// One half of a rule's condition.
struct Filter {
  std::vector<std::string> arches;
  uint64_t capabilities = 0;
  std::vector<std::string> names;
  bool has_kernel = false;
  bool kernel_reached = false;
};

absl::Status ParseKernel(const Json& json, const std::string& where, const ProfileContext& context,
                         Filter& filter) {
  std::string least;
  int major = 0, minor = 0;
  VX_RETURN_IF_ERROR(GetString(json, "minKernel", where, least));
  if (least.empty()) return absl::OkStatus();
  if (sscanf(least.c_str(), "%d.%d", &major, &minor) != 2) {
    return BadConfig(absl::StrCat(where, ".minKernel"), "is no MAJOR.MINOR");
  }
  filter.has_kernel = true;
  filter.kernel_reached = context.kernel_major > major ||
                          (context.kernel_major == major && context.kernel_minor >= minor);
  return absl::OkStatus();
}

absl::StatusOr<Filter> ParseFilter(const Json& rule, const char* key, const std::string& rule_name,
                                   const ProfileContext& context) {
  Filter filter;
  const std::string where = absl::StrCat(rule_name, ".", key);
  VX_RETURN_IF_ERROR(CheckObject(rule, key, rule_name));
  const Json& json = Member(rule, key);
  VX_RETURN_IF_ERROR(GetStrings(json, "arches", where, filter.arches));
  VX_RETURN_IF_ERROR(GetStrings(json, "caps", where, filter.names));
  for (const std::string& name : filter.names) {
    const int number = CapabilityNumber(name);
    if (number < 0) {
      return BadConfig(absl::StrCat(where, ".caps"),
                       absl::StrCat("names \"", name, "\", which is no capability"));
    }
    filter.capabilities |= uint64_t{1} << number;
  }
  VX_RETURN_IF_ERROR(ParseKernel(json, where, context, filter));
  return filter;
}

}  // namespace

ProfileContext ProfileContext::Here(uint64_t capabilities) {
  utsname name{};
  ProfileContext context;
  context.capabilities = capabilities;
  uname(&name);
  if (sscanf(name.release, "%d.%d", &context.kernel_major, &context.kernel_minor) != 2) {
    context.kernel_major = 0;
  }
  // A 64-bit program sees the machine's own name, whatever the personality.
  std::string machine = name.machine;
#if defined(__x86_64__)
  machine = "x86_64";
#elif defined(__aarch64__)
  machine = "aarch64";
#endif
  for (const Machine& known : Machines()) {
    if (machine != known.kernel) continue;
    context.machine = known.docker;
    context.architecture = known.architecture;
  }
  return context;
}

absl::StatusOr<bool> RuleApplies(const Json& rule, const std::string& where,
                                 const ProfileContext& context) {
  VX_ASSIGN_OR_RETURN(Filter with, ParseFilter(rule, "includes", where, context));
  VX_ASSIGN_OR_RETURN(Filter without, ParseFilter(rule, "excludes", where, context));
  const bool included = (with.arches.empty() || Holds(with.arches, context.machine)) &&
                        (with.capabilities & ~context.capabilities) == 0 &&
                        (!with.has_kernel || with.kernel_reached);
  const bool excluded = Holds(without.arches, context.machine) ||
                        (without.capabilities & context.capabilities) != 0 ||
                        without.kernel_reached;
  return included && !excluded;
}

absl::StatusOr<std::vector<std::string>> ProfileArchitectures(const Json& profile,
                                                              const ProfileContext& context) {
  std::vector<std::string> named;
  VX_RETURN_IF_ERROR(GetStrings(profile, "architectures", "linux.seccomp", named));
  if (!named.empty() && !Member(profile, "archMap").is_null()) {
    return BadConfig("linux.seccomp", "has both architectures and archMap");
  }
  auto take = [&](const Json& element, const std::string& where) -> absl::Status {
    std::string architecture;
    std::vector<std::string> below;
    VX_RETURN_IF_ERROR(GetString(element, "architecture", where, architecture));
    VX_RETURN_IF_ERROR(GetStrings(element, "subArchitectures", where, below));
    if (architecture == context.architecture) named = below;
    return absl::OkStatus();
  };
  VX_RETURN_IF_ERROR(ForEach(profile, "archMap", "linux.seccomp", take));
  std::vector<std::string> result = {context.architecture};
  const Machine* machine = FindMachine(context.architecture);
  for (const std::string& name : named) {
    if (std::find(std::begin(kArchitectures), std::end(kArchitectures), name) ==
        std::end(kArchitectures)) {
      return BadConfig("linux.seccomp.architectures",
                       absl::StrCat("hold \"", name, "\", which is not known"));
    }
    if (machine != nullptr && Holds(machine->others, name)) result.push_back(name);
  }
  return result;
}

}  // namespace vx::container
