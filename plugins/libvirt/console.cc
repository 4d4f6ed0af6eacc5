#include "plugins/libvirt/console.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "plugins/shim/protocol.h"

namespace vx::libvirt {
namespace {

constexpr size_t kMaxLine = 200;

std::string Clean(absl::string_view line) {
  std::string text(absl::StripAsciiWhitespace(line).substr(0, kMaxLine));
  std::replace_if(text.begin(), text.end(), [](char c) { return !absl::ascii_isprint(c); }, '?');
  return text;
}

}  // namespace

std::string LastConsoleLine(const std::string& dir) { return FindConsoleLine(dir, ""); }

std::string FindConsoleLine(const std::string& dir, absl::string_view text) {
  auto log = ReadFile(absl::StrCat(dir, "/", shim::kConsoleLog));
  if (!log.ok()) return "";
  const std::vector<absl::string_view> lines = absl::StrSplit(*log, absl::ByAnyChar("\r\n"));
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    std::string clean = Clean(*line);
    if (!clean.empty() && absl::StrContains(clean, text)) return clean;
  }
  return "";
}

}  // namespace vx::libvirt
