// How far an operation is, on stderr.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "vx/v1/operation.pb.h"

namespace vx::cli {

enum class ProgressMode {
  kNone,
  kLine,   // a line, and one for each part under way, drawn anew and removed at the end
  kPlain,  // a line for each step and each change of a part
  kJson,   // the operation as a line of JSON for each step
};

// "auto" (kLine on a terminal, else kNone), "plain", "json", "none"; else misuse.
absl::StatusOr<ProgressMode> ParseProgress(absl::string_view text);

class Progress {
 public:
  explicit Progress(ProgressMode mode) : mode_(mode) {}
  ~Progress() { Clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  bool wanted() const { return mode_ != ProgressMode::kNone; }
  void Update(const v1::Operation& operation);
  // Removes the line, so that something else can be printed.
  void Clear();

 private:
  void Draw(const v1::Operation& operation);
  bool IsNews(const v1::Operation& operation);

  const ProgressMode mode_;
  const absl::Time start_ = absl::Now();
  std::string last_;
  bool drawn_ = false;
  // Below the first.
  int lines_ = 0;
};

}  // namespace vx::cli
