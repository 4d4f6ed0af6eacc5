// How a machine's run ends, and what is known of it afterwards.
#include <signal.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "plugins/libvirt/console.h"
#include "plugins/libvirt/machine.h"
#include "plugins/libvirt/resources.h"

namespace vx::libvirt {
namespace {

// How long a killed QEMU may take to be gone.
constexpr absl::Duration kPowerCut = absl::Seconds(30);
// There from before the power is cut.
constexpr char kPowerCutFile[] = "/power-cut";

// Nobody saw the command's end: the guest switched itself off, or its machine was
// taken away under it. Its console tells; a guest can lie there about itself only.
v1::Exit EndOfMachine(v1::Exit exit, const std::string& console) {
  const std::string panic = FindConsoleLine(console, "Kernel panic - ");
  const std::string last = LastConsoleLine(console);
  exit.set_reason(v1::EXIT_REASON_CRASHED);
  if (!panic.empty()) {
    exit.set_message(absl::StrCat("the guest's kernel died: ", panic));
  } else if (absl::StrContains(last, "reboot: ")) {
    exit.set_code(0);
    exit.set_reason(v1::EXIT_REASON_EXITED);
    exit.set_message("the guest switched itself off");
  } else {
    exit.set_message(absl::StrCat("the machine ended before its command did",
                                  last.empty() ? "" : "; its console said last: ", last));
  }
  return exit;
}

v1::Exit WithoutPower(absl::Time time) {
  return shim::ToExit({.code = 128 + SIGKILL, .signal = SIGKILL, .time = time}, false);
}

v1::Exit NotSeen(v1::ExitReason reason, const std::string& why) {
  v1::Exit exit = shim::ToExit({.time = absl::Now(), .lost = true}, false);
  exit.set_reason(reason);
  exit.set_message(why);
  return exit;
}

v1::Exit OverBound(v1::Exit exit) {
  exit.set_reason(v1::EXIT_REASON_CRASHED);
  exit.set_message(absl::StrCat(
      "its QEMU was killed: it wanted more of the host's memory than the guest has and ",
      kQemuOverhead >> 20, " MiB; this is QEMU's fault, or that of a guest that broke it"));
  return exit;
}

}  // namespace

absl::Status Machine::CutPower() {
  if (qemu_pid() == 0) {
    End();
    return absl::OkStatus();
  }
  // On record first, else the end would be taken for an accident; that is all that
  // comes of it where it can't be written.
  if (QemuLives()) WriteFileAtomic(dir_ + kPowerCutFile, "", 0600).IgnoreError();
  KillQemu();
  if (WaitEnded(kPowerCut)) return absl::OkStatus();
  return Error(absl::StatusCode::kDeadlineExceeded, "STUCK",
               absl::StrCat("QEMU of VM ", uid_, " (pid ", qemu_pid(), ") does not die"),
               "it waits for the host's kernel: see its disk");
}

std::optional<v1::Exit> Machine::ReadExit() const {
  auto record = shim::ReadExitRecord(dir_);
  if (!record.ok()) {
    return NotSeen(v1::EXIT_REASON_LOST, std::string(record.status().message()));
  }
  if (!*record) return std::nullopt;
  const v1::Exit exit = shim::ToExit(**record, false);
  if (!(*record)->lost) return exit;
  if (PowerIsCut()) return WithoutPower((*record)->time);
  const bool over = host_->qemu_groups != nullptr && host_->qemu_groups->WentOver(uid_);
  return over ? OverBound(exit) : EndOfMachine(exit, console_);
}

v1::Exit Machine::Unrecorded() const {
  if (PowerIsCut()) return WithoutPower(absl::Now());
  return NotSeen(v1::EXIT_REASON_CRASHED, "its vx-shim died, so it was ended");
}

bool Machine::PowerIsCut() const { return PathExists(dir_ + kPowerCutFile); }

}  // namespace vx::libvirt
