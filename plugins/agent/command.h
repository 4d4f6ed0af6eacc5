// Starts the workload's command.
#pragma once

#include <sys/types.h>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/user.h"

namespace vx::agent {

// A command that was asked for. When `error` is set nothing runs.
struct Command {
  pid_t pid = -1;
  // Non-blocking read ends; the caller closes them.
  int out = -1;
  int err = -1;
  // Why it could not be started, 0 when it was: ENOENT as 127, all else as 126.
  int error = 0;
};

// Runs it as `identity` in a session of its own, with stdin from /dev/null, and
// returns when the exec has succeeded or failed.
Command StartCommand(const BootConfig& config, const Identity& identity);

}  // namespace vx::agent
