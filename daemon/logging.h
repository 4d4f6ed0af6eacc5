// The daemon's log: one line an event, "key=value" where a program may look.
#pragma once

#include "daemon/config.h"

namespace vx {

// Sets up the process-wide logger by log.level and log.format. It writes to stderr,
// with journald's priority prefixes and no times when the journal adds its own.
void StartLogging(const Config& config);

}  // namespace vx
