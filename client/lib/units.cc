#include "client/lib/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "daemon/base/error.h"

namespace vx::client {
namespace {

constexpr absl::string_view kUnits = "KMGTP";

absl::Status Bad(absl::string_view reason, absl::string_view what, absl::string_view text,
                 absl::string_view hint) {
  return Error(absl::StatusCode::kInvalidArgument, reason,
               absl::StrCat("\"", text, "\" is not ", what), hint);
}

absl::Status BadSize(absl::string_view text) {
  return Bad("BAD_SIZE", "a size", text, "write 4096, 64K, 512M or 2G (binary units)");
}

// The power of 1024 that the unit at the end of `text` means, which it removes;
// -1 when there is a unit that is none.
int TakeUnit(std::string* text) {
  size_t digits = text->find_last_of("0123456789.");
  std::string unit = text->substr(digits == std::string::npos ? 0 : digits + 1);
  text->resize(text->size() - unit.size());
  absl::string_view name = absl::StripAsciiWhitespace(unit);
  if (name.empty() || name == "B") return 0;
  size_t power = kUnits.find(name[0]);
  name.remove_prefix(1);
  bool known = name.empty() || name == "B" || name == "IB";
  return power == absl::string_view::npos || !known ? -1 : static_cast<int>(power) + 1;
}

// absl::SimpleAtod also takes "inf", "nan" and hexadecimal.
bool ParseDecimal(absl::string_view text, double* value) {
  if (text.find_first_not_of("0123456789.+-eE") != absl::string_view::npos) return false;
  return absl::SimpleAtod(text, value) && std::isfinite(*value);
}

}  // namespace

absl::StatusOr<int64_t> ParseSize(absl::string_view text) {
  std::string number = absl::AsciiStrToUpper(absl::StripAsciiWhitespace(text));
  int power = TakeUnit(&number);
  double value = 0;
  bool plain = number.find_first_not_of("0123456789.") == std::string::npos;
  if (power < 0 || !plain || !ParseDecimal(number, &value)) return BadSize(text);
  double bytes = std::ldexp(value, 10 * power);
  if (bytes >= static_cast<double>(std::numeric_limits<int64_t>::max())) return BadSize(text);
  return static_cast<int64_t>(bytes);
}

absl::StatusOr<absl::Duration> ParseDuration(absl::string_view text) {
  double seconds = 0;
  absl::Duration duration;
  if (ParseDecimal(text, &seconds)) {
    duration = absl::Seconds(seconds);
  } else if (!absl::ParseDuration(text, &duration)) {
    duration = absl::InfiniteDuration();
  }
  if (duration >= absl::ZeroDuration() && duration < absl::InfiniteDuration()) return duration;
  return Bad("BAD_DURATION", "a time", text, "write 500ms, 10s, 5m or 1h");
}

absl::StatusOr<double> ParseCpus(absl::string_view text) {
  double cpus = 0;
  if (ParseDecimal(text, &cpus)) return cpus;
  return Bad("BAD_CPUS", "a number of cpus", text, "write 2 or 0.5");
}

absl::StatusOr<int64_t> ParseNumber(absl::string_view text, absl::string_view what) {
  int64_t value = 0;
  if (absl::SimpleAtoi(text, &value)) return value;
  return Bad("BAD_NUMBER", absl::StrCat("a whole number (", what, ")"), text, "");
}

absl::StatusOr<absl::Time> ParseSince(absl::string_view text, absl::Time now) {
  absl::Time time;
  std::string error;
  if (absl::ParseTime(absl::RFC3339_full, text, &time, &error)) return time;
  if (auto back = ParseDuration(text); back.ok()) return now - *back;
  return Bad("BAD_TIME", "a time", text, "write 10m (ago) or 2026-01-31T12:00:00Z");
}

std::string FormatSize(int64_t bytes) {
  if (std::abs(bytes) < 1024) return absl::StrCat(bytes);
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (value /= 1024; std::abs(value) >= 1024 && unit + 1 < kUnits.size(); ++unit) value /= 1024;
  std::string number = absl::StrFormat("%.1f", value);
  return absl::StrCat(absl::StripSuffix(number, ".0"), kUnits.substr(unit, 1));
}

std::string FormatAge(absl::Duration age) {
  struct Step {
    absl::Duration unit;
    absl::string_view name;
  };
  static constexpr int64_t kHour = 3600;
  const std::array<Step, 4> steps = {{{absl::Seconds(24 * kHour), "d"},
                                      {absl::Seconds(kHour), "h"},
                                      {absl::Seconds(60), "m"},
                                      {absl::Seconds(1), "s"}}};
  for (const Step& step : steps) {
    if (age >= step.unit) return absl::StrCat(age / step.unit, step.name);
  }
  return "0s";
}

std::string FormatNumber(double value) {
  std::array<char, 32> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return std::string(buffer.data(), end);
}

}  // namespace vx::client
