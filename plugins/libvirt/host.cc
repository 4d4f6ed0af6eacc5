#include "plugins/libvirt/host.h"

#include <malloc.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/status_macros.h"
#include "daemon/base/subprocess.h"
#include "plugins/libvirt/embed.h"

namespace vx::libvirt {
namespace {

constexpr char kDriver[] = "libvirt";
constexpr char kEmulator[] = "/usr/bin/qemu-system-x86_64";

v1::Check MakeCheck(const char* name, v1::CheckResult result, absl::string_view message,
                    absl::string_view hint = "") {
  v1::Check check;
  check.set_name(name);
  check.set_result(result);
  check.set_message(std::string(message));
  check.set_hint(std::string(hint));
  check.set_driver(kDriver);
  return check;
}

v1::Check Good(const char* name, absl::string_view message) {
  return MakeCheck(name, v1::CHECK_RESULT_OK, message);
}

v1::Check Failed(const char* name, const absl::Status& why) {
  return MakeCheck(name, v1::CHECK_RESULT_FAILED, why.message(), ErrorHint(why));
}

absl::Status CheckArchitecture() {
  utsname host;
  uname(&host);
  if (std::string(host.machine) == "x86_64") return absl::OkStatus();
  return Error(absl::StatusCode::kUnimplemented, "ARCHITECTURE",
               absl::StrCat("VMs are not supported on ", host.machine, " yet"),
               "use --kind=container");
}

absl::Status CheckPrograms(const std::string& emulator) {
  if (access(emulator.c_str(), X_OK) != 0) {
    return Error(absl::StatusCode::kNotFound, "NO_QEMU", absl::StrCat("QEMU is not at ", emulator),
                 "install qemu-system-x86, or set vm.emulator");
  }
  if (FindProgram("qemu-img").empty()) {
    return Error(absl::StatusCode::kNotFound, "NO_QEMU_IMG", "qemu-img is not in PATH",
                 "install qemu-utils");
  }
  return absl::OkStatus();
}

// The first that failed, as the error of all that needs them.
absl::Status FirstFailure(const std::vector<v1::Check>& checks) {
  for (const v1::Check& check : checks) {
    if (check.result() != v1::CHECK_RESULT_FAILED) continue;
    return Error(absl::StatusCode::kUnavailable, "DRIVER_UNAVAILABLE", check.message(),
                 check.hint());
  }
  return absl::OkStatus();
}

}  // namespace

Host::Host(const driver::Environment& environment, const Paths& paths)
    : environment_(environment),
      paths_(paths),
      uri_(environment.Option("vm.uri", "qemu:///embed")),
      equipment_(Error(absl::StatusCode::kUnavailable, "DRIVER_UNAVAILABLE",
                       "the VM driver is still probing this host", "try again in some seconds")) {}

std::vector<v1::Check> Host::Check() {
  absl::MutexLock checking(&checking_);
  Equipment found;
  std::vector<v1::Check> checks;
  checks.push_back(CheckEmulator(found));
  checks.push_back(CheckAccel(found));
  checks.push_back(CheckKernel(found));
  checks.push_back(CheckLibvirt(found));
  checks.push_back(CheckUser(found));
  // Kernels were read and packed: a daemon that only waits gives that memory back.
  malloc_trim(0);
  const absl::Status failure = FirstFailure(checks);
  absl::MutexLock lock(&mutex_);
  if (failure.ok()) {
    equipment_ = std::move(found);
  } else {
    equipment_ = failure;
  }
  return checks;
}

absl::StatusOr<Equipment> Host::equipment() const {
  absl::MutexLock lock(&mutex_);
  return equipment_;
}

bool Host::connected() const {
  Connection* const connection = opened_;
  return connection != nullptr && connection->Answers();
}

v1::Check Host::CheckEmulator(Equipment& found) const {
  found.emulator = environment_.Option("vm.emulator", kEmulator);
  absl::Status status = CheckArchitecture();
  if (status.ok()) status = CheckPrograms(found.emulator);
  return status.ok() ? Good("qemu", found.emulator) : Failed("qemu", status);
}

v1::Check Host::CheckAccel(Equipment& found) const {
  const std::string setting = environment_.Option("vm.accel", "auto");
  auto accel = ChooseAccel(setting, paths_.program("vx-kvm-probe"));
  if (!accel.ok()) return Failed("kvm", accel.status());
  found.accel = *accel;
  if (setting != "auto") return Good("kvm", absl::StrCat("vm.accel is ", setting));
  if (accel->kvm) return Good("kvm", accel->finding);
  return MakeCheck(
      "kvm", v1::CHECK_RESULT_WARNING,
      absl::StrCat(accel->finding, "; guests are emulated (TCG), which is slow"),
      "enable virtualization in the firmware, or nested virtualization if this host is "
      "a guest itself");
}

v1::Check Host::CheckKernel(Equipment& found) {
  checking_.AssertHeld();
  auto kernel = FindGuestKernel(environment_.Option("vm.kernel"));
  if (!kernel.ok()) return Failed("guest-kernel", kernel.status());
  auto boot = MakeBootFiles(*kernel, paths_.program("vx-agent"), paths_.boot_files());
  if (!boot.ok()) return Failed("guest-kernel", boot.status());
  // At the first check no guest is being started from an older one.
  if (!pruned_) PruneBootFiles(paths_.boot_files(), *boot).IgnoreError();
  pruned_ = true;
  found.kernel = *kernel;
  found.boot = *boot;
  return Good("guest-kernel", kernel->path);
}

v1::Check Host::CheckLibvirt(Equipment& found) {
  checking_.AssertHeld();
  const absl::Status status = OpenLibvirt(found);
  if (!status.ok()) return Failed("libvirt", status);
  found.connection = connection_.get();
  return Good("libvirt", uri_);
}

v1::Check Host::CheckUser(Equipment& found) const {
  const absl::Status status = LetUserPass(found);
  if (!status.ok()) return Failed("qemu-user", status);
  return Good("qemu-user", absl::StrCat("every VM has a user of its own, in group ",
                                        found.qemu_group));
}

absl::Status Host::LetUserPass(Equipment& found) const {
  VX_ASSIGN_OR_RETURN(found.qemu_group, QemuGroup(found.accel.kvm));
  std::vector<std::string> dirs = {paths_.boot_files(), paths_.bundles(), paths_.runs()};
  if (IsEmbedded(uri_)) dirs.push_back(EmbedLibraryDir(paths_.embed_root()));
  // One that is not there has a check that says so.
  if (PathExists(found.emulator)) dirs.push_back(vx::ParentOf(found.emulator));
  for (const std::string& dir : dirs) {
    VX_RETURN_IF_ERROR(MakeDirs(dir, 0700));
    VX_RETURN_IF_ERROR(LetPass(dir, found.qemu_group));
  }
  return absl::OkStatus();
}

absl::Status Host::OpenLibvirt(const Equipment& found) {
  checking_.AssertHeld();
  if (!connection_) {
    if (IsEmbedded(uri_)) {
      VX_RETURN_IF_ERROR(PrepareEmbedRoot(paths_.embed_root(), paths_.embed_cache()));
    }
    const std::string uri = ConnectionUri(uri_, paths_.embed_root());
    VX_ASSIGN_OR_RETURN(connection_, Connection::Open(uri, listener_));
    opened_ = connection_.get();
  }
  // Without the emulator there is a check that says it better.
  if (access(found.emulator.c_str(), X_OK) != 0) return absl::OkStatus();
  return connection_->ProbeEmulator(found.emulator, found.accel.kvm);
}

}  // namespace vx::libvirt
