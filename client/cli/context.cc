#include "client/cli/context.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "client/cli/errors.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {

absl::StatusOr<client::Connection*> Context::Connect() {
  if (connection_ == nullptr) {
    auto target = client::ParseTarget(client::ChooseTarget(flags_.host));
    if (!target.ok()) return Misuse(target.status());
    VX_ASSIGN_OR_RETURN(connection_, client::Connection::Open(*target));
  }
  return connection_.get();
}

absl::Status WriteAll(int fd, absl::string_view text) {
  while (!text.empty()) {
    ssize_t written = write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd ready = {fd, POLLOUT, 0};
      poll(&ready, 1, -1);
    } else if (errno == EPIPE) {
      return Error(absl::StatusCode::kCancelled, kOutputClosed, "nobody reads the output any more");
    } else if (errno != EINTR) {
      return ErrnoError(errno, fd == STDERR_FILENO ? "write to stderr" : "write to stdout");
    }
  }
  return absl::OkStatus();
}

int Print(absl::string_view text) { return Report(WriteAll(STDOUT_FILENO, text)); }

}  // namespace vx::cli
