// Which streams a run's command has.
#pragma once

namespace vx::shim {

// What the command is connected to, beside the log.
struct StdioOptions {
  bool stdin = false;
  bool tty = false;
};

}  // namespace vx::shim
