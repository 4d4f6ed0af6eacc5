#include "plugins/libvirt/accel.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/subprocess.h"

namespace vx::libvirt {
namespace {

// Longer than the probe's own alarm.
constexpr absl::Duration kProbeTimeout = absl::Seconds(5);

Accel RunProbe(const std::string& program) {
  auto result = RunCommand({program}, kProbeTimeout);
  if (!result.ok()) return {false, absl::StrCat("KVM not tested: ", result.status().message())};
  const std::string said(absl::StripAsciiWhitespace(result->out));
  if (result->exit_code == 0) return {true, said};
  return {false, said.empty() ? "/dev/kvm is there but a guest hangs in it" : said};
}

}  // namespace

absl::StatusOr<Accel> ChooseAccel(const std::string& setting, const std::string& probe_program) {
  if (setting == "auto") return RunProbe(probe_program);
  if (setting == "kvm") {
    // A guest that is started in a KVM that does not work hangs or dies.
    Accel found = RunProbe(probe_program);
    if (found.kvm) return found;
    return Error(absl::StatusCode::kFailedPrecondition, "NO_KVM",
                 absl::StrCat("vm.accel is kvm and KVM can't be used: ", found.finding),
                 "set vm.accel to auto or tcg");
  }
  if (setting == "tcg") return Accel{false, ""};
  return Error(absl::StatusCode::kInvalidArgument, "BAD_ACCEL",
               absl::StrCat("vm.accel is \"", setting, "\""), "use auto, kvm or tcg");
}

}  // namespace vx::libvirt
