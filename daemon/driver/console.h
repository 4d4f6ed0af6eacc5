// The console of a machine: where its kernel and whoever logs in on it speak. An
// optional part of the driver contract (Driver::console).
//
// What it says is kept as a log of its own, bounded as the workload's is, over runs; it
// is the guest's, and not to be trusted. Nobody who is slow, or does not read at all,
// holds the machine up, and the machine holds nobody up.
//
// Threads: as Sessions.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "daemon/driver/log.h"
#include "daemon/driver/sessions.h"

namespace vx::driver {

class Console {
 public:
  virtual ~Console() = default;

  // As Driver::OpenLog. What the machine says is stream 1; on stream 2 the driver notes
  // that one is switched on.
  virtual absl::StatusOr<std::unique_ptr<LogReader>> OpenConsoleLog(
      const std::string& uid, const LogPosition& position) = 0;

  // What is typed on it: one writer at a time, until the input is destroyed or vxd ends.
  // Close and Resize do nothing. FAILED_PRECONDITION with NOT_RUNNING, or CONSOLE_BUSY
  // while another has it.
  virtual absl::StatusOr<std::unique_ptr<Input>> OpenConsoleInput(const std::string& uid) = 0;
};

}  // namespace vx::driver
