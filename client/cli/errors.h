// Errors of the command line itself, and how every error is shown.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace vx::cli {

inline constexpr int kExitError = 1;
inline constexpr int kExitMisuse = 2;

// INVALID_ARGUMENT (USAGE), marked as misuse.
absl::Status UsageError(absl::string_view message, absl::string_view hint = "");

// UNIMPLEMENTED (NOT_YET), marked as misuse: "WHAT is not supported yet".
absl::Status NotYetError(absl::string_view what, absl::string_view hint = "");

// The same error, marked as misuse.
absl::Status Misuse(absl::Status status);

// 0, 1, or 2 for misuse.
int ExitStatus(const absl::Status& status);

// "vxctl: WHAT (REASON)\n" and, where there is a hint, "hint: ...\n". Refused fields
// are named by their flags; several of them have a line each in between. Control
// characters are shown, not sent to the terminal.
std::string Describe(const absl::Status& status);

// Describes it on stderr and returns its exit status.
int Report(const absl::Status& status);

// Control characters as "\x1b"; newlines too unless `keep_newlines`.
std::string Printable(absl::string_view text, bool keep_newlines = false);

}  // namespace vx::cli
