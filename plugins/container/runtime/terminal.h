// A command's terminal: a pty of the container's own devpts, whose master goes to
// whoever made the container (OCI's console socket).
#pragma once

#include <cstdint>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"
#include "plugins/container/runtime/config.h"

namespace vx::container {

// A connection to the unix socket at `path`.
absl::StatusOr<UniqueFd> ConnectConsole(const std::string& path);

// In the container, as the leader of a new session: opens a pty at /dev/pts, makes it
// the session's terminal and 0, 1 and 2, and sends its master over `console`.
// `as_console`: it is /dev/console too.
absl::Status TakeTerminal(int console, const ProcessConfig& process, bool as_console);

}  // namespace vx::container
