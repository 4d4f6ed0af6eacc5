#include "client/cli/errors.h"

#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/lib/rpc_error.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

constexpr char kMisuse[] = "vx/misuse";

}  // namespace

absl::Status UsageError(absl::string_view message, absl::string_view hint) {
  return Misuse(Error(absl::StatusCode::kInvalidArgument, "USAGE", message, hint));
}

absl::Status NotYetError(absl::string_view what, absl::string_view hint) {
  return Misuse(Error(absl::StatusCode::kUnimplemented, "NOT_YET",
                      absl::StrCat(what, " is not supported yet"), hint));
}

absl::Status Misuse(absl::Status status) {
  if (!status.ok()) status.SetPayload(kMisuse, absl::Cord("1"));
  return status;
}

int ExitStatus(const absl::Status& status) {
  if (status.ok()) return 0;
  return status.GetPayload(kMisuse).has_value() ? kExitMisuse : kExitError;
}

std::string Describe(const absl::Status& status) {
  std::string text = absl::StrCat("vxctl: ", Printable(status.message()), " (",
                                  Printable(client::ReasonOrCode(status)), ")\n");
  std::string hint = ErrorHint(status);
  if (!hint.empty()) absl::StrAppend(&text, "hint: ", Printable(hint), "\n");
  return text;
}

int Report(const absl::Status& status) {
  if (!status.ok()) fputs(Describe(status).c_str(), stderr);
  return ExitStatus(status);
}

std::string Printable(absl::string_view text, bool keep_newlines) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    auto c = static_cast<unsigned char>(text[i]);
    // C1 controls are two bytes in UTF-8.
    bool c1 = c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c1 || (absl::ascii_iscntrl(c) && !(keep_newlines && c == '\n'))) {
      absl::StrAppendFormat(&out, "\\x%02x", c1 ? static_cast<unsigned char>(text[++i]) : c);
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace vx::cli
