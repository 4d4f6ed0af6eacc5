// A further command in a container that runs (the runtime's `exec`).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace vx::container {

struct ExecOptions {
  std::string root;
  std::string id;
  // A file with an OCI process (config.h, ParseExecProcess); or empty, and these:
  std::string process_file;
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string user;
  std::string cwd;
  bool tty = false;
  // Don't wait for its end.
  bool detach = false;
  // Where the command's pid on the host is written; may be empty.
  std::string pid_file;
  // Descriptors of the caller's, as in CreateOptions. kErrnoSetUp on exec_fd says that
  // what is wrong is in text on error_fd.
  int exec_fd = -1;
  int error_fd = 2;
  int console_fd = -1;
  std::string console_socket;
  // Its end-of-file ends the command; -1: none.
  int life_fd = -1;
};

// Runs the command in the container's namespaces and cgroup, with its capabilities,
// filter and limits. Passes on the signals that come, waits for its end and returns its
// exit status, as a shell would say it; 0 with `detach`, once it was started.
// FAILED_PRECONDITION (NOT_RUNNING).
absl::StatusOr<int> Exec(const ExecOptions& options);

}  // namespace vx::container
