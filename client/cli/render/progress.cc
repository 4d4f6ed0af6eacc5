#include "client/cli/render/progress.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/cli/render/terminal.h"
#include "client/lib/tree.h"

namespace vx::cli {
namespace {

// What is done within this time draws nothing.
constexpr absl::Duration kPatience = absl::Milliseconds(300);

std::string Step(const v1::Operation& operation) {
  return operation.phase().empty() ? client::EnumText(operation.state()) : operation.phase();
}

std::string What(const v1::Operation& operation) {
  return Printable(absl::StrCat(client::EnumText(operation.type()), " ", operation.target(), ": ",
                                Step(operation)));
}

}  // namespace

absl::StatusOr<ProgressMode> ParseProgress(absl::string_view text) {
  if (text == "auto") return ErrorsOnTerminal() ? ProgressMode::kLine : ProgressMode::kNone;
  if (text == "none") return ProgressMode::kNone;
  if (text == "plain") return ProgressMode::kPlain;
  if (text == "json") return ProgressMode::kJson;
  return UsageError(absl::StrCat("there is no progress \"", text, "\""),
                    "write --progress auto, plain, json or none");
}

void Progress::Update(const v1::Operation& operation) {
  switch (mode_) {
    case ProgressMode::kNone:
      return;
    case ProgressMode::kLine:
      return Draw(operation);
    case ProgressMode::kPlain:
      if (IsNews(operation)) absl::FPrintF(stderr, "%s\n", What(operation));
      return;
    case ProgressMode::kJson:
      if (IsNews(operation)) fputs(RenderMessage(operation, "jsonl").c_str(), stderr);
      return;
  }
}

void Progress::Clear() {
  if (drawn_) fputs("\r\x1b[K", stderr);
  drawn_ = false;
}

void Progress::Draw(const v1::Operation& operation) {
  absl::Duration elapsed = absl::Now() - start_;
  if (elapsed < kPatience) return;
  absl::FPrintF(stderr, "\r\x1b[K%s (%.1f s)", What(operation), absl::ToDoubleSeconds(elapsed));
  drawn_ = true;
}

bool Progress::IsNews(const v1::Operation& operation) {
  std::string now = absl::StrCat(What(operation), operation.state());
  if (now == last_) return false;
  last_ = std::move(now);
  return true;
}

}  // namespace vx::cli
