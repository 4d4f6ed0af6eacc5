// The driver contract: what vxd asks of the plugin that runs one kind of
// workload. Contract version 1. Every driver passes tests/contract.
//
// The life of one workload, and which calls are allowed when:
//
//   Prepare ──► Create ──► Start ──► (runs) ──► Stop | Kill | ends by itself
//      │           ▲                                   │
//      │           └────────── Delete ◄────────────────┘
//      └──► Release            (the run is gone; the writable layer stays)
//
//   Prepare   makes what survives a stop: the writable root and the bundle.
//   Create    makes one run: namespaces or a domain, the shim; nothing of the
//             workload's runs yet. The network is plugged into the endpoint it
//             returns.
//   Start     runs the command.
//   Delete    removes the run, ended or not, with its endpoint and exit record.
//   Release   removes all the rest, and first the run if there is one.
//
// Names: everything that a driver makes on the host is named by the workload's
// uid and, where it is global to the host, by the instance id, so that an undo
// or a sweep needs no memory of what was done.
//
// Threads: all methods are called from a pool of worker threads and may block.
// Calls for one uid never overlap, but for Observe, Stats and OpenLog; calls for
// several uids do. Observers are
// called from any thread of the driver's and must not call back into it.
//
// Failure: a method that returns an error has removed what it made, unless it
// says otherwise. After a crash of vxd in the middle of any method, Delete (and
// Release, if Prepare was the one) puts things right.
//
// Crash safety: what runs goes on when vxd dies. A new driver object over the
// same directories finds it again by List.
//
// Errors: absl::Status made by base/error.h, with a stable reason. No exception
// crosses this boundary.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/base/cancellation.h"
#include "daemon/base/error.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/console.h"
#include "daemon/driver/log.h"
#include "daemon/driver/sessions.h"
#include "vx/v1/image.pb.h"
#include "vx/v1/stats.pb.h"
#include "vx/v1/system_service.pb.h"
#include "vx/v1/workload.pb.h"

namespace vx::driver {

inline constexpr int kContractVersion = 1;

// What vxd gives a driver when it loads it. All paths are absolute.
struct Environment {
  // 8 hex digits; part of every host-global name.
  std::string instance_id;
  // The driver's own folders, mode 0700, there already. `state_dir` survives a
  // reboot; `runtime_dir` need not, and is short enough for socket paths.
  std::string state_dir;
  std::string runtime_dir;
  // Where vx-shim, vx-runtime and vx-agent are.
  std::string bin_dir;
  // The daemon's configuration, keys as in vxd.toml ("vm.uri").
  std::map<std::string, std::string> options;

  // The value of `key`, or `fallback` where it is not set or empty.
  std::string Option(const std::string& key, const std::string& fallback = "") const;
};

// In which form a driver wants an image.
enum class BaseForm {
  kLayers,  // one folder a layer, as unpacked; whiteouts in overlayfs's form
  kDisk,    // one raw ext4 filesystem
};

// An image on disk: immutable, shared, and kept for as long as the workload
// exists.
struct Base {
  // Digest of the image's manifest.
  std::string digest;
  // Absolute paths, bottom first; for kLayers.
  std::vector<std::string> layers;
  // Absolute path; for kDisk.
  std::string disk;
  v1::ImageConfig config;
};

// The process that a workload starts with: the spec merged with the image.
// Made by ResolveProcess, the same for both kinds.
struct Process {
  std::vector<std::string> argv;
  // "K=V", with PATH, HOSTNAME and HOME always set.
  std::vector<std::string> env;
  std::string working_dir;
  // "user[:group]", as in the image; empty: root.
  std::string user;
  std::string hostname;
  int stop_signal = 15;
};

// INVALID_ARGUMENT (NO_COMMAND) when neither the spec nor the image names one.
absl::StatusOr<Process> ResolveProcess(const v1::Workload& workload, const v1::ImageConfig& config);

// Where the network is plugged in, between Create and Start.
struct Endpoint {
  // A container's network namespace; none for a VM.
  UniqueFd netns;
  // The tap device of a VM on its first network, which is its attachment's host_link as
  // those on its others are; empty for a container, and where there is no network.
  std::string tap;
};

// Where a mount of the spec comes from. Core knows volumes; a driver knows paths.
struct MountSource {
  // Absolute: a volume's folder or image, or the host's path that the spec names.
  std::string path;
  // A volume: subpath and no_copy have a meaning. What is in it is another workload's:
  // no link in it is followed out of it.
  bool is_volume = false;
  // Of a block volume, "raw" or "qcow2"; empty: `path` is a folder, or a file of the
  // host's. Only VMs get these.
  std::string disk_format;
};

// INTERNAL (NO_SOURCES) unless there is a source for each mount.
absl::Status CheckSources(const v1::Workload& workload, const std::vector<MountSource>& sources);

// What exists on the host of one workload.
enum class Presence {
  kNone,      // nothing
  kPrepared,  // the writable root only
  kCreated,   // a run that was not started
  kRunning,
  kPaused,
  kExited,  // a run that ended; `exit` says how; waits for Delete
};

// What a driver sees of a workload.
struct Observation {
  std::string uid;
  Presence presence = Presence::kNone;
  // Init or QEMU; 0 when none runs.
  int64_t pid = 0;
  // 0 when none runs.
  int64_t shim_pid = 0;
  // Of the run; InfinitePast before its start.
  absl::Time start_time = absl::InfinitePast();
  // For kExited. Its reason is what the exit record shows (exited, crashed, oom,
  // lost); core turns it into `user` when it had asked for the end.
  std::optional<v1::Exit> exit;
  v1::AgentState agent = v1::AGENT_STATE_NONE;
  // One sentence when nobody asked for what is: why it is paused, what of it was killed.
  // Mostly empty.
  std::string message;
};

// A part of what a method did, for those who ask where the time went.
struct Stage {
  std::string name;
  absl::Duration took;
};

using Observer = std::function<void(const Observation&)>;

class Driver {
 public:
  virtual ~Driver() = default;

  // --- What it is. Callable at any time, never block. ---

  // "container", "libvirt", "fake".
  virtual std::string name() const = 0;
  virtual v1::Kind kind() const = 0;
  virtual BaseForm base_form() const = 0;

  // --- The host. ---

  // Finds out whether this host can run the kind; may take seconds. Called once
  // before anything below, and again when a user asks (`vxctl doctor`). Never
  // fails: what is wrong is the answer. A host that can run no more may hold what
  // still runs: all but Prepare, Create, Start, Pause and Resume work whatever the
  // answer was.
  virtual v1::DriverInfo Probe() = 0;
  // The checks behind Probe, each with its remedy.
  virtual std::vector<v1::Check> Doctor() = 0;
  // Returns once what Observe and List say can be believed (a hypervisor
  // reconnected, shims found again). DEADLINE_EXCEEDED after `timeout`.
  virtual absl::Status WaitSettled(absl::Duration timeout) = 0;

  // --- One workload. ---

  // What this kind can't honour of a spec, all at once; empty: nothing. Pure: no
  // host is touched. Fields in proto names from the workload ("spec.resources.pids").
  virtual std::vector<FieldViolation> Validate(const v1::WorkloadSpec& spec) const = 0;

  // Makes the writable root over `base`, and the bundle. Again after a crash:
  // Release first.
  virtual absl::Status Prepare(const v1::Workload& workload, const Base& base) = 0;

  // Makes a run. FAILED_PRECONDITION (NOT_PREPARED) before Prepare.
  //
  // `sources` is where spec.mounts come from, one for each, in their order; they are
  // there, and belong to core. Inside, and on both kinds, owners are those on disk: 0 is
  // 0. Nothing of a mount is left on the host after Delete.
  virtual absl::StatusOr<Endpoint> Create(const v1::Workload& workload,
                                          const std::vector<MountSource>& sources) = 0;
  // Of one without mounts.
  absl::StatusOr<Endpoint> Create(const v1::Workload& workload) { return Create(workload, {}); }

  // Runs the command; returns when it was started. FAILED_PRECONDITION with
  // COMMAND_NOT_FOUND leaves an ended run with code 127; with
  // COMMAND_NOT_EXECUTABLE, NO_USER (the image has no such user or group) or
  // BAD_WORKING_DIR, one with 126. Any other error too leaves the run to Delete;
  // CANCELLED, soon after `cancellation` was, among them.
  virtual absl::Status Start(const std::string& uid, Cancellation& cancellation) = 0;

  // Sends the stop signal, waits `grace`, kills, and returns when the run has
  // ended (Observe: kExited). Works on a paused run, which it thaws. Fine when
  // nothing runs. CANCELLED when `cancellation` came during the grace: then the run
  // was asked to end and goes on if it likes.
  virtual absl::Status Stop(const std::string& uid, absl::Duration grace,
                            Cancellation& cancellation) = 0;

  // The same, with nobody to cancel them.
  absl::Status Start(const std::string& uid) {
    Cancellation never;
    return Start(uid, never);
  }
  absl::Status Stop(const std::string& uid, absl::Duration grace) {
    Cancellation never;
    return Stop(uid, grace, never);
  }

  // Sends a signal to the command. SIGKILL ends the run whatever state it is in,
  // and returns when it has. FAILED_PRECONDITION (NOT_RUNNING) when nothing
  // runs.
  virtual absl::Status Kill(const std::string& uid, int signal) = 0;

  // Freezes and thaws; fine when it is so already. FAILED_PRECONDITION
  // (NOT_RUNNING) when nothing runs.
  virtual absl::Status Pause(const std::string& uid) = 0;
  virtual absl::Status Resume(const std::string& uid) = 0;

  // Applies new limits to a run. FAILED_PRECONDITION (STOP_FIRST) when this can
  // only be done while stopped. Fine when nothing runs: the next Create takes
  // them from the spec.
  virtual absl::Status Update(const std::string& uid, const v1::Resources& resources) = 0;

  // The network namespace of a run; invalid for a VM. FAILED_PRECONDITION (NOT_RUNNING)
  // when there is no run.
  virtual absl::StatusOr<UniqueFd> OpenNetns(const std::string& uid) = 0;
  // Gives a run one more link, or takes it away, as far as that is the driver's. Plug
  // returns where it is to be plugged in: a container's namespace as it is, a new card's
  // tap (`host_link`), which is configured inside with Configure once it is. Unplug comes
  // while the link is there. FAILED_PRECONDITION: NOT_RUNNING, or STOP_FIRST where this can
  // only be done while stopped.
  virtual absl::StatusOr<Endpoint> Plug(const std::string& uid,
                                        const v1::NetworkAttachment& attachment) = 0;
  virtual absl::Status Configure(const std::string& uid,
                                 const v1::NetworkAttachment& attachment) = 0;
  virtual absl::Status Unplug(const std::string& uid, const v1::NetworkAttachment& attachment) = 0;

  // Removes the run: processes, cgroups, namespaces, domain, shim, sockets, exit
  // record. Idempotent; ends what still runs.
  virtual absl::Status Delete(const std::string& uid) = 0;

  // Removes everything of the workload, its log too. Idempotent.
  virtual absl::Status Release(const std::string& uid) = 0;

  // --- What is. Never change anything. ---

  // kNone for a uid that it doesn't know.
  virtual absl::StatusOr<Observation> Observe(const std::string& uid) = 0;
  // Everything of this instance's that exists on the host, known to the store or
  // not.
  virtual absl::StatusOr<std::vector<Observation>> List() = 0;
  // What a run uses now, as far as the host tells. Asked again and again: quick, and
  // never waits for what runs. FAILED_PRECONDITION (NOT_RUNNING) when nothing runs.
  virtual absl::StatusOr<v1::Usage> Stats(const std::string& uid) = 0;
  // What Create and Start of the run consisted of, in order, where that was measured;
  // they need not add up to the whole.
  virtual std::vector<Stage> Stages(const std::string& uid) { return {}; }
  // The log outlives runs; NOT_FOUND (NOT_PREPARED) before Prepare.
  virtual absl::StatusOr<std::unique_ptr<LogReader>> OpenLog(const std::string& uid,
                                                             const LogPosition& position) = 0;

  // Told about every change that the driver notices by itself, above all the end
  // of a run; at least once for each. Set once, before WaitSettled; null unsets
  // and returns when no call is in progress.
  virtual void SetObserver(Observer observer) = 0;

  // --- What only some have. ---

  // Exec and input (sessions.h); null where the driver can't. Owned by the driver.
  virtual Sessions* sessions() { return nullptr; }
  // The console of a machine (console.h); null where workloads have none. Owned by the
  // driver.
  virtual Console* console() { return nullptr; }
};

}  // namespace vx::driver
