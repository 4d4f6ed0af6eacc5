// One run of a VM: its QEMU, its shim and their folder.
//
// What a machine says comes from the two processes and the shim's exit record,
// never from libvirt, which for a moment after an opening shows dead guests as
// running. A machine has ended when QEMU is gone and the exit record is complete.
//
// In the folder, besides the shim's files (plugins/shim/protocol.h): "started" once
// the command was let go, "power-cut" once the power is taken away. What is on
// record there outlives vxd and the shim: whoever finds the folder completes what
// was begun, and tells an end by wish from an accident.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "daemon/base/watcher.h"
#include "daemon/base/work_pool.h"
#include "daemon/driver/driver.h"
#include "daemon/driver/placement.h"
#include "plugins/libvirt/agent_channel.h"
#include "plugins/libvirt/qemu_groups.h"
#include "plugins/libvirt/qemu_process.h"
#include "plugins/shim/client.h"

namespace vx::libvirt {

// What machines share; borrowed by them, and ends after them.
struct MachineHost {
  Watcher* watcher = nullptr;
  // Serves the connections with agents: a thread that guests may keep busy.
  Watcher* agent_watcher = nullptr;
  // Where the ends of machines are seen to.
  WorkPool* pool = nullptr;
  // Where QEMUs are put; null: they stay where they are.
  const QemuGroups* qemu_groups = nullptr;
  // libvirt's folder of pid files.
  std::string pid_dir;
  // Called once for each machine, on a thread of the pool.
  std::function<void(const std::string& uid)> ended;
  // Called on a thread of the pool when an agent has come or gone.
  std::function<void(const std::string& uid)> agent_changed;
};

// In a run's folder; QEMU listens there for vxd, and takes one connection at a time.
inline constexpr char kAgentSocket[] = "agent";

// Thread-safe.
class Machine : public std::enable_shared_from_this<Machine> {
 public:
  // `name` is the domain's, `console` where its console's log is. Does nothing yet.
  Machine(const MachineHost* host, std::string uid, std::string name, std::string dir,
          std::string console);

  // Makes the folder and starts the shim there, which will hand `config` to the agent.
  absl::Status LaunchShim(shim::LaunchOptions options, const std::string& config);

  // Takes charge of the QEMU that libvirt has started. INTERNAL (QEMU_DIED).
  absl::Status WatchQemu();

  // Takes QEMU, which libvirt has started in vxd's cgroup and with its protection,
  // out of both. While the guest is paused, as none of its memory is charged to vxd yet.
  absl::Status PlaceQemu() const;

  // Finds shim and QEMU again in the folder of an earlier vxd.
  void Adopt();

  const std::string& uid() const { return uid_; }
  const std::string& name() const { return name_; }
  const std::string& dir() const { return dir_; }

  // 0 when it does not run.
  pid_t qemu_pid() const;
  pid_t shim_pid() const;
  bool ended() const;
  // Whether it ever got as far.
  bool had_qemu() const;
  // The connection with its agent; null before there is a QEMU.
  std::shared_ptr<AgentChannel> agent() const;

  // kExited once it has ended, or the command has.
  shim::RunState State() const;

  // Waits for the command's start; NOT_STARTED after `timeout` says how far it
  // came, and what the console said last. CANCELLED.
  absl::Status WaitStarted(const std::string& argv0, absl::Duration timeout,
                           Cancellation& cancellation);

  // To the command. FAILED_PRECONDITION (NOT_RUNNING).
  absl::Status Signal(int signal);

  // A way to the command's input. FAILED_PRECONDITION (NOT_RUNNING, NO_STDIN).
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput() const;
  // What is typed on its serial console: one writer at a time (driver/console.h).
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenConsole() const;

  // False when it has not ended within `timeout`, or before `cancellation` was
  // cancelled.
  bool WaitEnded(absl::Duration timeout, Cancellation* cancellation = nullptr) const;

  // Takes the power away: nothing of the guest's is saved. Returns when it has
  // ended.
  absl::Status CutPower();

  // How it ended; nothing before the exit record is there, unless it has ended.
  std::optional<v1::Exit> exit() const;

  // How long libvirt took to make the machine.
  void NoteMaking(absl::Duration took);
  // What its start consisted of; nothing before.
  std::vector<driver::Stage> Stages() const;

  // What its domain was when somebody looked last.
  void NotePaused(bool paused) const { was_paused_ = paused; }
  bool was_paused() const { return was_paused_; }
  // Somebody waits for room on the host's disk in its name; what it was before.
  bool NoteStarved(bool starved) const { return starved_.exchange(starved); }

  // Notes, for a later vxd too, that the command is let go now.
  absl::Status MarkStarted();
  // InfinitePast before.
  absl::Time start_time() const;

 private:
  void WatchShim();
  void OpenAgent();
  void NoteStart(const shim::Client& client);
  void OnShimGone();
  void OnQemuGone();
  void End();
  void KillQemu() const;
  bool QemuLives() const;
  bool PowerIsCut() const;
  std::optional<v1::Exit> ReadExit() const;
  // How it ended when the shim, which is gone, left no record.
  v1::Exit Unrecorded() const;
  std::shared_ptr<shim::Client> shim() const;
  std::string StuckAt(const std::string& console) const;
  absl::Status NotStarted(const absl::Status& why) const;

  const MachineHost* const host_;
  const std::string uid_;
  const std::string name_;
  const std::string dir_;
  const std::string console_;

  mutable std::atomic<bool> was_paused_ = false;
  mutable std::atomic<bool> starved_ = false;
  mutable absl::Mutex mutex_;
  std::shared_ptr<shim::Client> shim_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<QemuProcess> qemu_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<AgentChannel> agent_ ABSL_GUARDED_BY(mutex_);
  absl::Duration making_ ABSL_GUARDED_BY(mutex_);
  // From when it was let go to when its command was known to run.
  absl::Duration starting_ ABSL_GUARDED_BY(mutex_);
  shim::StartedFrame started_ ABSL_GUARDED_BY(mutex_) = {};
  absl::Time start_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  // Kept, as the folder may be gone by the time that somebody asks.
  v1::Exit exit_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vx::libvirt
