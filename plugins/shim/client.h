// The drivers' side of vx-shim. Both drivers keep output, exit records and logs
// through it, so these are one mechanism for both kinds.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"
#include "daemon/driver/driver.h"
#include "plugins/shim/protocol.h"

namespace vx::shim {

// How a run ended, as the shim saw it.
struct ExitRecord {
  int code = -1;
  int signal = 0;
  bool oom = false;
  int exec_errno = 0;
  absl::Time time;
  bool lost = false;
};

struct LaunchOptions {
  // Path of vx-shim.
  std::string program;
  // The shim's folder; there already, mode 0700.
  std::string dir;
  // The log file to append to; made when it is not there.
  std::string log;
  // Container: the runtime's command line, which must leave init's pid in
  // `dir`/init.pid and init waiting. Empty for a vm.
  std::vector<std::string> runtime;
  // The cgroup.procs that the shim writes itself into, before it starts anything;
  // empty: it stays in the caller's cgroup.
  std::string cgroup_procs;
  // Container: the command has an input; a terminal, which the runtime sends over
  // kRuntimeConsoleFd.
  bool stdin = false;
  bool tty = false;
  // Vm: where what the serial console says is kept, in the same bounds; empty: it is not.
  std::string console_log;
  // The log is divided into files of this size, and so many are kept; 0: it is not.
  int64_t log_size = 0;
  int64_t log_files = 1;
};

// One running shim. Thread-safe: every call is a connection of its own.
class Client {
 public:
  // Starts a shim and returns when the run is created (container) or the sockets
  // listen (vm). When the runtime fails, its complaint is the error and the shim
  // is gone.
  static absl::StatusOr<std::unique_ptr<Client>> Launch(const LaunchOptions& options);

  // The shim of `dir`, if it still runs; NOT_FOUND otherwise.
  static absl::StatusOr<std::unique_ptr<Client>> Find(const std::string& dir);

  pid_t pid() const { return pid_; }
  // Readable when the shim has ended; owned by the client.
  int pidfd() const { return pidfd_.get(); }

  absl::StatusOr<ControlReply> Status() const;

  // Lets the command go and waits for "started". FAILED_PRECONDITION
  // (COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, NO_USER, BAD_WORKING_DIR) as in the
  // driver contract; `argv0` is for the message, NameCause adds the other names.
  // DEADLINE_EXCEEDED (NOT_STARTED) after `timeout`, CANCELLED when `cancellation`
  // is; the shim knows of neither.
  absl::Status Start(const std::string& argv0, absl::Duration timeout,
                     Cancellation* cancellation = nullptr) const;

  // FAILED_PRECONDITION (NOT_RUNNING) when nothing runs.
  absl::Status Signal(int signal) const;

  // A way to the command's input. FAILED_PRECONDITION (NO_STDIN) when it has none.
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenInput() const;

  // A way to type on a vm's serial console (driver/console.h). FAILED_PRECONDITION
  // (CONSOLE_BUSY) while another has it, NOT_RUNNING.
  absl::StatusOr<std::unique_ptr<driver::Input>> OpenConsole() const;

  // Of a vm: nothing more comes from it.
  absl::Status MachineGone() const;

  // Waits until the shim has ended, which is when output and exit record are
  // complete; false when `timeout` is over, or `cancellation` cancelled, first. Reaps
  // it when it is our child.
  bool WaitEnd(absl::Duration timeout, Cancellation* cancellation = nullptr) const;

 private:
  Client(std::string dir, pid_t pid, UniqueFd pidfd);

  std::string dir_;
  pid_t pid_;
  UniqueFd pidfd_;
};

// FAILED_PRECONDITION (COMMAND_NOT_FOUND and so on) for the errno of an exec.
absl::Status ExecError(const std::string& argv0, int error);

// What the daemon's configuration says of logs.
void SetLogBounds(const driver::Environment& environment, LaunchOptions& options);

// An error of Start with the user or the working directory that it is about, which
// the shim does not know.
absl::Status NameCause(const absl::Status& status, const std::string& user,
                       const std::string& working_dir);

// The two of a command beside the workload's own, whose working directory is not made
// where it is missing.
absl::Status FurtherExecError(const std::string& argv0, int error, const std::string& user,
                              const std::string& working_dir);

// Nothing when there is no record (yet).
absl::StatusOr<std::optional<ExitRecord>> ReadExitRecord(const std::string& dir);

// The record as the API says it; `oom` adds what the driver knows of the cgroup.
// Reason: oom, lost, crashed (a signal), exited.
v1::Exit ToExit(const ExitRecord& record, bool oom);

// Reads a log that a shim writes. The format is CRI's: one line
// "RFC3339NANO stdout|stderr F|P CONTENT\n", P for a part of a line whose rest
// follows (Kubernetes CRI, "kubelet log format").
absl::StatusOr<std::unique_ptr<driver::LogReader>> OpenLog(const std::string& path,
                                                           const driver::LogPosition& position);

}  // namespace vx::shim
