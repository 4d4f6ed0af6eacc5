// Following a long-running change to its end.
#pragma once

#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/lib/connection.h"
#include "vx/v1/operation.pb.h"

namespace vx::client {

bool HasEnded(const v1::Operation& operation);

// OK for DONE and for an operation that has not ended; else its error.
absl::Status OperationError(const v1::Operation& operation);

// How to follow.
struct Follow {
  // Called with what is new, at most every `interval`; may be empty.
  std::function<void(const v1::Operation&)> progress;
  absl::Duration interval = absl::Milliseconds(100);
};

// Waits until it has ended, without a call when it has already. Lives through a
// restart of the daemon. The error is one of the waiting: what became of the
// operation is in what it returns.
absl::StatusOr<v1::Operation> FollowOperation(Connection& connection, v1::Operation operation,
                                              const Follow& follow = {});

}  // namespace vx::client
