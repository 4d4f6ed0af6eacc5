#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "daemon/base/error.h"
#include "daemon/base/file.h"
#include "daemon/base/signals.h"
#include "plugins/shim/client.h"

namespace vx::shim {
namespace {

absl::Status BadRecord(const std::string& dir, const std::string& text) {
  return Error(absl::StatusCode::kDataLoss, "BAD_EXIT_RECORD",
               absl::StrCat(dir, "/", kExitRecord, " makes no sense: \"", text, "\""));
}

// Every field is a number.
bool ParseFields(absl::string_view text, std::map<std::string, int64_t>& fields) {
  for (absl::string_view field : absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    std::pair<absl::string_view, absl::string_view> pair =
        absl::StrSplit(field, absl::MaxSplits('=', 1));
    int64_t value = 0;
    if (!absl::SimpleAtoi(pair.second, &value)) return false;
    fields[std::string(pair.first)] = value;
  }
  return fields.contains("code") && fields.contains("time_ns");
}

v1::ExitReason Reason(const ExitRecord& record, bool oom) {
  const bool killed = record.signal == 9 || record.code == 137;
  if (record.oom || (oom && killed)) return v1::EXIT_REASON_OOM;
  if (record.lost) return v1::EXIT_REASON_LOST;
  return record.signal != 0 ? v1::EXIT_REASON_CRASHED : v1::EXIT_REASON_EXITED;
}

std::string Message(const ExitRecord& record, v1::ExitReason reason) {
  if (reason == v1::EXIT_REASON_OOM) return "it ran out of memory";
  if (reason == v1::EXIT_REASON_LOST) return "its end was not seen";
  if (record.exec_errno != 0) {
    return absl::StrCat("its command could not be run: ", strerror(record.exec_errno));
  }
  if (record.signal != 0) return absl::StrCat("killed by ", SignalName(record.signal));
  return "";
}

}  // namespace

absl::StatusOr<std::optional<ExitRecord>> ReadExitRecord(const std::string& dir) {
  auto text = ReadFile(absl::StrCat(dir, "/", kExitRecord));
  if (absl::IsNotFound(text.status())) return std::nullopt;
  if (!text.ok()) return text.status();
  std::map<std::string, int64_t> fields;
  if (!ParseFields(*text, fields)) return BadRecord(dir, *text);
  ExitRecord record;
  record.code = static_cast<int>(fields["code"]);
  record.signal = static_cast<int>(fields["signal"]);
  record.oom = fields["oom"] != 0;
  record.exec_errno = static_cast<int>(fields["exec_errno"]);
  record.time = absl::FromUnixNanos(fields["time_ns"]);
  record.lost = fields["lost"] != 0;
  return record;
}

v1::Exit ToExit(const ExitRecord& record, bool oom) {
  v1::Exit exit;
  exit.set_code(record.code);
  exit.set_signal(record.signal);
  exit.set_reason(Reason(record, oom));
  exit.set_message(Message(record, exit.reason()));
  const int64_t nanos = absl::ToUnixNanos(record.time);
  exit.mutable_time()->set_seconds(nanos / 1000000000);
  exit.mutable_time()->set_nanos(static_cast<int32_t>(nanos % 1000000000));
  return exit;
}

}  // namespace vx::shim
