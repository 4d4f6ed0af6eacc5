#include "daemon/base/pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "daemon/base/error.h"

namespace vx {

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (pipe2(fds, O_CLOEXEC) < 0) return ErrnoError(errno, "make a pipe");
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

}  // namespace vx
