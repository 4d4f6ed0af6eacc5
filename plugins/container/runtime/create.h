// OCI's create: makes a container whose init waits to be started, and leaves no
// other process behind. Init is a child of the runtime's own parent.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace vx::container {

struct CreateOptions {
  std::string root;
  std::string id;
  std::string bundle;
  // Where init's pid is written; may be empty.
  std::string pid_file;
  // Where the times of its stages are written (stages.h); empty: nowhere.
  std::string stages_file;
  // Descriptors of the caller's (plugins/shim/protocol.h); -1: none.
  int exec_fd = -1;
  int error_fd = 2;
  // With process.terminal: where its master is sent. A connected unix socket, or the
  // path of one that listens.
  int console_fd = -1;
  std::string console_socket;
  bool die_with_parent = false;
  // The command gets exec_fd: it is an init (vx-init), and knows what to do with it.
  bool keep_exec_fd = false;
};

// On failure nothing is left behind.
absl::Status Create(const CreateOptions& options);

}  // namespace vx::container
