// An anonymous pipe.
#pragma once

#include "absl/status/statusor.h"
#include "daemon/base/unique_fd.h"

namespace vx {

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

// Both ends are close-on-exec.
absl::StatusOr<Pipe> MakePipe();

}  // namespace vx
