// Sessions with a workload that runs: the input of its command, and further commands
// inside. An optional part of the driver contract (Driver::sessions).
//
// Threads: Sessions as Driver's own methods, but Exec and OpenInput may overlap with
// anything of the same uid. What they return is used by one thread at a time and may
// outlive the run, not the driver.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "vx/v1/workload.pb.h"

namespace vx::driver {

// In characters; 0: not known.
struct TerminalSize {
  uint16_t columns = 0;
  uint16_t rows = 0;
};

// The input of a command.
class Input {
 public:
  // Leaves the command's input open: others may write to it.
  virtual ~Input() = default;

  // Takes as much as there is room for, and says how much; never blocks. 0: wait until
  // fd() is writable. FAILED_PRECONDITION (INPUT_CLOSED) when the command does not take
  // any more.
  virtual absl::StatusOr<size_t> Write(absl::string_view data) = 0;
  // The end of the input, for everybody. With a terminal: as if Ctrl-D was typed. False:
  // wait until fd() is writable, and again.
  virtual absl::StatusOr<bool> Close() = 0;
  // Fine where there is no terminal.
  virtual absl::Status Resize(TerminalSize size) = 0;
  // Owned by the input.
  virtual int fd() const = 0;
};

// What a command writes.
class Output {
 public:
  virtual ~Output() = default;

  // Gives up to `size` bytes, and says how many; never blocks. 0: wait until fd() is
  // readable. OUT_OF_RANGE at the end.
  virtual absl::StatusOr<size_t> Read(char* data, size_t size) = 0;
  // Owned by the output. Stays readable at the end.
  virtual int fd() const = 0;
};

struct ExecSpec {
  // At least the program's name.
  std::vector<std::string> argv;
  // "K=V", on top of the environment of the workload's own command.
  std::vector<std::string> env;
  // "user[:group]" as in the image; empty: the run's.
  std::string user;
  // Absolute; empty: the run's.
  std::string working_dir;
  bool tty = false;
  bool stdin = false;
  // Goes on when the session is destroyed; has no input and no output.
  bool detach = false;
  TerminalSize size;
};

// A command inside that was started. Destroying the session ends it and what it
// started in its own session, unless it is detached.
class ExecSession {
 public:
  virtual ~ExecSession() = default;

  // Null without `stdin` and without `tty`.
  virtual Input* input() = 0;
  // Null: there is none (with a terminal all is output).
  virtual Output* output() = 0;
  virtual Output* error() = 0;
  // Polls readable once the command has ended; what it wrote can all be read then.
  virtual int end_fd() const = 0;

  virtual absl::Status Signal(int signal) = 0;
  // How it ended; once end_fd() is readable. Without a time.
  virtual absl::StatusOr<v1::Exit> Result() = 0;
};

class Sessions {
 public:
  virtual ~Sessions() = default;

  // Returns when the command was started. FAILED_PRECONDITION with NOT_RUNNING, PAUSED,
  // COMMAND_NOT_FOUND, COMMAND_NOT_EXECUTABLE, NO_USER or BAD_WORKING_DIR;
  // RESOURCE_EXHAUSTED (TOO_MANY_SESSIONS); UNAVAILABLE (AGENT_UNAVAILABLE) where the
  // guest's agent does not answer, soon after a start only after some waiting.
  virtual absl::StatusOr<std::unique_ptr<ExecSession>> Exec(const std::string& uid,
                                                            const ExecSpec& spec) = 0;

  // The input of the workload's command; from Create on, so that what is sent before
  // Start is there at the start, a terminal's size above all. FAILED_PRECONDITION with
  // NOT_RUNNING, or NO_STDIN when the run was made without one.
  virtual absl::StatusOr<std::unique_ptr<Input>> OpenInput(const std::string& uid) = 0;
};

}  // namespace vx::driver
