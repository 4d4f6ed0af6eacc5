#include "daemon/base/error.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace vx {
namespace {

constexpr char kReason[] = "vx/reason";
constexpr char kHint[] = "vx/hint";
constexpr char kViolations[] = "vx/violations";
// Neither can be in a field path or in a sentence of ours.
constexpr char kFieldEnd[] = "\x1f";
constexpr char kViolationEnd[] = "\x1e";

std::string Payload(const absl::Status& status, const char* key) {
  auto payload = status.GetPayload(key);
  return payload.has_value() ? std::string(*payload) : std::string();
}

absl::StatusCode CodeOfErrno(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return absl::StatusCode::kResourceExhausted;
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
      return absl::StatusCode::kFailedPrecondition;
    default:
      return absl::ErrnoToStatusCode(error);
  }
}

}  // namespace

absl::Status Error(absl::StatusCode code, absl::string_view reason, absl::string_view message,
                   absl::string_view hint) {
  absl::Status status(code, message);
  status.SetPayload(kReason, absl::Cord(reason));
  if (!hint.empty()) status.SetPayload(kHint, absl::Cord(hint));
  return status;
}

absl::Status InvalidFields(const std::vector<FieldViolation>& violations) {
  std::string message = absl::StrJoin(violations, "; ", [](std::string* out, const auto& v) {
    absl::StrAppend(out, v.field, ": ", v.description);
  });
  absl::Status status = Error(absl::StatusCode::kInvalidArgument, "INVALID_FIELDS", message);
  status.SetPayload(
      kViolations,
      absl::Cord(absl::StrJoin(violations, kViolationEnd, [](std::string* out, const auto& v) {
        absl::StrAppend(out, v.field, kFieldEnd, v.description);
      })));
  return status;
}

absl::Status ErrnoError(int error, absl::string_view what) {
  return Error(CodeOfErrno(error), "SYSTEM_CALL_FAILED", absl::StrCat(what, ": ", strerror(error)));
}

absl::Status Annotate(const absl::Status& status, absl::string_view prefix) {
  if (status.ok()) return status;
  absl::Status annotated(status.code(), absl::StrCat(prefix, ": ", status.message()));
  status.ForEachPayload(
      [&](absl::string_view key, const absl::Cord& value) { annotated.SetPayload(key, value); });
  return annotated;
}

std::string ErrorReason(const absl::Status& status) { return Payload(status, kReason); }
std::string ErrorHint(const absl::Status& status) { return Payload(status, kHint); }

std::vector<FieldViolation> ErrorViolations(const absl::Status& status) {
  std::vector<FieldViolation> violations;
  std::string payload = Payload(status, kViolations);
  for (absl::string_view part : absl::StrSplit(payload, kViolationEnd, absl::SkipEmpty())) {
    std::pair<std::string, std::string> v = absl::StrSplit(part, absl::MaxSplits(kFieldEnd, 1));
    violations.push_back({v.first, v.second});
  }
  return violations;
}

}  // namespace vx
