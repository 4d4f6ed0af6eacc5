// Which vxd to talk to, and the first contact with it.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "daemon/base/unique_fd.h"

namespace vx::client {

inline constexpr char kDefaultTarget[] = "unix:///run/vx/vxd.sock";

struct Target {
  // As the user wrote it.
  std::string text;
  // Path of the unix socket.
  std::string socket;
};

// The first that is not empty of: `flag` (--host), the environment's VX_HOST,
// kDefaultTarget.
std::string ChooseTarget(const std::string& flag);

// "unix:///PATH" or a bare absolute path. INVALID_ARGUMENT (BAD_HOST), or
// UNIMPLEMENTED (NOT_YET) for tls:// and for named contexts.
absl::StatusOr<Target> ParseTarget(absl::string_view text);

// A non-blocking connected socket. Where that fails, says whether nobody listens
// (UNAVAILABLE, NO_DAEMON), nobody accepts (UNAVAILABLE, NO_ANSWER) or the caller
// may not (PERMISSION_DENIED, NO_PERMISSION), each with what to do about it.
// Waits at most `limit` for a daemon that is too busy to accept.
absl::StatusOr<UniqueFd> Connect(const Target& target, absl::Duration limit = absl::Seconds(5));

}  // namespace vx::client
