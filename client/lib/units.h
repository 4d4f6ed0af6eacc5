// How people write sizes, times and cpus, and how they are shown to people.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vx::client {

// Bytes of "4096", "64K", "512M", "1.5G", "2T"; "KiB", "MiB" ... and "KB" mean the
// same (all binary), in any case. INVALID_ARGUMENT (BAD_SIZE).
absl::StatusOr<int64_t> ParseSize(absl::string_view text);

// "500ms", "10s", "1h30m"; a bare number is seconds. Never negative, always
// finite. INVALID_ARGUMENT (BAD_DURATION).
absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text);

// "2", "0.5"; finite. Zero and less are left for the daemon to refuse.
// INVALID_ARGUMENT (BAD_CPUS).
absl::StatusOr<double> ParseCpus(absl::string_view text);

// A whole number. INVALID_ARGUMENT (BAD_NUMBER) names `what`.
absl::StatusOr<int64_t> ParseNumber(absl::string_view text, absl::string_view what);

// A time in the past: a duration back from `now`, or RFC 3339.
// INVALID_ARGUMENT (BAD_TIME).
absl::StatusOr<absl::Time> ParseSince(absl::string_view text, absl::Time now);

// "512M", "1.5G", "0": at most one decimal.
std::string FormatSize(int64_t bytes);

// The largest unit alone: "45s", "3m", "2h", "5d".
std::string FormatAge(absl::Duration age);

// "0.5", "2": the shortest text that reads back as the same number.
std::string FormatNumber(double value);

}  // namespace vx::client
