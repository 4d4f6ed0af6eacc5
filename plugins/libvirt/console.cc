#include "plugins/libvirt/console.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/base/file.h"
#include "plugins/shim/log_reader.h"
#include "plugins/shim/protocol.h"

namespace vx::libvirt {
namespace {

constexpr size_t kMaxLine = 200;
constexpr int64_t kLookedAt = 64 << 10;

std::string Clean(absl::string_view line) {
  std::string text(absl::StripAsciiWhitespace(line).substr(0, kMaxLine));
  std::replace_if(text.begin(), text.end(), [](char c) { return !absl::ascii_isprint(c); }, '?');
  return text;
}

// Up to `size` bytes from the end of a file; nothing when it is not there.
std::string ReadEnd(const std::string& path, int64_t size) {
  auto file = OpenFile(path, O_RDONLY);
  struct stat st{};
  if (size <= 0 || !file.ok() || fstat(file->get(), &st) < 0) return "";
  std::string text(static_cast<size_t>(std::min<int64_t>(size, st.st_size)), '\0');
  const off_t begin = st.st_size - static_cast<off_t>(text.size());
  const ssize_t n = pread(file->get(), text.data(), text.size(), begin);
  text.resize(static_cast<size_t>(std::max<ssize_t>(n, 0)));
  return text;
}

// The log's end, over the two files that it may have been divided into just now.
std::string ReadLogEnd(const std::string& log) {
  std::string newest = ReadEnd(log, kLookedAt);
  return ReadEnd(log + ".1", kLookedAt - static_cast<int64_t>(newest.size())) + newest;
}

// What a guest said since its machine was switched on, as far as it is looked at.
std::string SaidLast(const std::string& log) {
  const std::string text = ReadLogEnd(log);
  std::string said;
  driver::LogEntry entry;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    // The first may be the end of one.
    if (!shim::ParseLogLine(line, entry)) continue;
    if (entry.stream == 1) said += entry.data;
    if (entry.stream == 2 && absl::StartsWith(entry.data, shim::kConsoleBegins)) said.clear();
  }
  return said;
}

// The last `count` lines with `text` in them, the last one first.
std::vector<std::string> FindLines(const std::string& log, absl::string_view text, size_t count) {
  const std::string said = SaidLast(log);
  const std::vector<absl::string_view> lines = absl::StrSplit(said, absl::ByAnyChar("\r\n"));
  std::vector<std::string> found;
  for (auto line = lines.rbegin(); line != lines.rend() && found.size() < count; ++line) {
    std::string clean = Clean(*line);
    if (!clean.empty() && absl::StrContains(clean, text)) found.push_back(std::move(clean));
  }
  return found;
}

}  // namespace

std::string LastConsoleLine(const std::string& log) { return FindConsoleLine(log, ""); }

std::string LastConsoleLines(const std::string& log, size_t count) {
  std::vector<std::string> lines = FindLines(log, "", count);
  std::reverse(lines.begin(), lines.end());
  return absl::StrJoin(lines, " | ");
}

std::string FindConsoleLine(const std::string& log, absl::string_view text) {
  const std::vector<std::string> lines = FindLines(log, text, 1);
  return lines.empty() ? "" : lines.front();
}

}  // namespace vx::libvirt
