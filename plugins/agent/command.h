// Starts commands: the workload's, and further ones.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "plugins/agent/user.h"

namespace vx::agent {

struct CommandSpec {
  // At least one.
  std::vector<std::string> argv;
  // "K=V".
  std::vector<std::string> env;
  // Absolute; has to be there.
  std::string working_dir = "/";
  Identity identity;
  // One terminal in place of the three streams.
  bool tty = false;
  uint16_t columns = 0;
  uint16_t rows = 0;
  // Else it reads end-of-file.
  bool stdin = false;
  // Else what it writes is thrown away.
  bool output = true;
};

// A command that was asked for. When `error` is set nothing runs.
struct Command {
  pid_t pid = -1;
  // Non-blocking ends of its streams, -1 where it has none; the caller closes them. With
  // a terminal `out` is its master, as is `in`, always.
  int in = -1;
  int out = -1;
  int err = -1;
  // Why it could not be started, 0 when it was: ENOENT as 127, all else as 126.
  int error = 0;
};

// Runs it in a session of its own, and returns when the exec has succeeded or failed.
Command StartCommand(const CommandSpec& spec);

// The same with a process that runs `work` as root with three pipes, in place of a
// program; what it returns is the exit status.
Command StartWorker(const std::function<int()>& work);

}  // namespace vx::agent
