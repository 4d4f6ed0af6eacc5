// Errors with a stable reason and, where there is one, a remedy.
//
// Everything is kept as payloads of an absl::Status, so that it survives every
// VX_RETURN_IF_ERROR; the service layer turns it into google.rpc details.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace vx {

// A refused field of a request: path in proto names, and what is wrong with it.
struct FieldViolation {
  std::string field;
  std::string description;
};

// `reason` is UPPER_SNAKE_CASE and stable: programs rely on it. `message` is one
// sentence that names the thing. `hint`, when not empty, says what to do next.
absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   absl::string_view hint = "");

// INVALID_ARGUMENT (INVALID_FIELDS) with all violations; the message is theirs.
absl::Status InvalidFields(const std::vector<FieldViolation>& violations);

// The failure of a system call: `what` is "open /path", errno says the rest. The
// code follows errno (ENOENT: NOT_FOUND, ENOSPC: RESOURCE_EXHAUSTED, ...).
absl::Status ErrnoError(int error, absl::string_view what);

// The same error with `prefix` and ": " before its message, payloads kept.
absl::Status Annotate(const absl::Status& status, absl::string_view prefix);

// Empty where the status has none.
std::string ErrorReason(const absl::Status& status);
std::string ErrorHint(const absl::Status& status);
std::vector<FieldViolation> ErrorViolations(const absl::Status& status);

}  // namespace vx
