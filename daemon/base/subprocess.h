// Child programs. vxd never forks itself: everything is spawned.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vx {

// A descriptor for the child: the parent's `from` becomes its `to`.
struct FdMapping {
  int from;
  int to;
};

struct SpawnOptions {
  // argv[0] is the program; searched for in PATH when it has no slash.
  std::vector<std::string> argv;
  // "K=V"; empty: the caller's environment.
  std::vector<std::string> env;
  // 0, 1 and 2 are /dev/null unless mapped; everything else is closed, that too which
  // a library has opened without close-on-exec.
  std::vector<FdMapping> fds;
  // A session of its own, so that no terminal signal reaches it.
  bool new_session = false;
};

// Starts the program; the caller must wait for the pid. NOT_FOUND when there is
// no such program. Signals are unblocked and at their defaults in the child.
absl::StatusOr<pid_t> Spawn(const SpawnOptions& options);

struct CommandResult {
  // As a shell would say: 128 + N when a signal ended it.
  int exit_code = 0;
  std::string out;
  std::string err;
};

// Runs it to its end and returns what it wrote, at most 4 MiB of each stream
// (the rest is read and dropped). DEADLINE_EXCEEDED kills it first.
absl::StatusOr<CommandResult> RunCommand(std::vector<std::string> argv,
                                         absl::Duration timeout = absl::Seconds(60));

// RunCommand with something to read on its standard input.
absl::StatusOr<CommandResult> RunCommandWithInput(std::vector<std::string> argv,
                                                  absl::string_view input,
                                                  absl::Duration timeout = absl::Seconds(60));

// RunCommand whose exit status other than 0 is an INTERNAL error
// (COMMAND_FAILED) with the program's name and the last line that it complained.
absl::StatusOr<std::string> RunCommandOk(std::vector<std::string> argv,
                                         absl::Duration timeout = absl::Seconds(60));

// Absolute path of a program in PATH, or empty.
std::string FindProgram(const std::string& name);

}  // namespace vx
