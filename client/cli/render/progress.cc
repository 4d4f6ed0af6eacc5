#include "client/cli/render/progress.h"

#include <cstdio>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/cli/render/terminal.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"

namespace vx::cli {
namespace {

// What is done within this time draws nothing.
constexpr absl::Duration kPatience = absl::Milliseconds(300);
// Parts that are shown at once.
constexpr size_t kMaxLines = 8;

std::string Step(const v1::Operation& operation) {
  return operation.phase().empty() ? client::EnumText(operation.state()) : operation.phase();
}

// "3 of 5 layers, 12.0 MiB of 80.1 MiB"; empty where nothing is moved.
std::string Amount(const v1::OperationProgress& progress) {
  if (progress.total_bytes() == 0) return "";
  int done = 0;
  for (const auto& part : progress.parts()) {
    if (part.phase() == "done" || part.phase() == "exists") ++done;
  }
  return absl::StrFormat(", %s of %s, %d of %d parts done",
                         client::FormatSize(progress.done_bytes()),
                         client::FormatSize(progress.total_bytes()), done, progress.parts_size());
}

// "a1b2c3d4e5f6  unpacking    12.0 MiB of 80.1 MiB", for each that is under way.
std::vector<std::string> PartLines(const v1::OperationProgress& progress) {
  std::vector<std::string> lines;
  for (const auto& part : progress.parts()) {
    if (part.phase() == "waiting" || part.phase() == "done" || part.phase() == "exists") continue;
    if (lines.size() == kMaxLines) break;
    std::string name = part.name().substr(part.name().find(':') + 1).substr(0, 12);
    lines.push_back(Printable(absl::StrFormat("  %-12s  %-11s  %s of %s", name, part.phase(),
                                              client::FormatSize(part.done_bytes()),
                                              client::FormatSize(part.total_bytes()))));
  }
  return lines;
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
      if (IsNews(operation)) {
        absl::FPrintF(stderr, "%s%s\n", What(operation), Amount(operation.progress()));
      }
      return;
    case ProgressMode::kJson:
      if (IsNews(operation)) fputs(RenderMessage(operation, "jsonl").c_str(), stderr);
      return;
  }
}

void Progress::Clear() {
  // To the first of the lines; all below it goes.
  if (drawn_ && lines_ > 0) absl::FPrintF(stderr, "\x1b[%dA", lines_);
  if (drawn_) fputs("\r\x1b[J", stderr);
  drawn_ = false;
}

void Progress::Draw(const v1::Operation& operation) {
  absl::Duration elapsed = absl::Now() - start_;
  if (elapsed < kPatience) return;
  Clear();
  std::string text = absl::StrFormat("%s%s (%.1f s)", What(operation), Amount(operation.progress()),
                                     absl::ToDoubleSeconds(elapsed));
  std::vector<std::string> lines = PartLines(operation.progress());
  for (const std::string& line : lines) absl::StrAppend(&text, "\n", line);
  fputs(text.c_str(), stderr);
  lines_ = static_cast<int>(lines.size());
  drawn_ = true;
}

bool Progress::IsNews(const v1::Operation& operation) {
  std::string now = absl::StrCat(What(operation), operation.state());
  for (const auto& part : operation.progress().parts()) {
    absl::StrAppend(&now, part.name(), part.phase());
  }
  if (now == last_) return false;
  last_ = std::move(now);
  return true;
}

}  // namespace vx::cli
