#include "client/cli/render/table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/errors.h"

namespace vx::cli {
namespace {

constexpr size_t kGap = 3;

std::string Shown(const Cell& cell) { return cell.text.empty() ? "-" : Printable(cell.text); }

std::vector<size_t> Widths(const std::vector<std::string>& header, const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  auto widen = [&](size_t column, size_t width) {
    widths.resize(std::max(widths.size(), column + 1));
    widths[column] = std::max(widths[column], width);
  };
  for (size_t i = 0; i < header.size(); ++i) widen(i, Width(header[i]));
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widen(i, Width(Shown(row[i])));
  }
  return widths;
}

std::string Line(const Row& row, const std::vector<size_t>& widths, bool color) {
  std::string line;
  for (size_t i = 0; i < row.size(); ++i) {
    std::string text = Shown(row[i]);
    absl::StrAppend(&line, color ? Colored(text, row[i].color) : text);
    if (i + 1 < row.size()) line.append(widths[i] + kGap - Width(text), ' ');
  }
  return line + "\n";
}

std::string Quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace

std::string RenderTable(const std::vector<std::string>& header, const std::vector<Row>& rows,
                        bool color) {
  std::vector<size_t> widths = Widths(header, rows);
  std::string out;
  Row titles;
  for (const std::string& title : header) titles.emplace_back(title, "", Color::kBold);
  if (!titles.empty()) out = Line(titles, widths, color);
  for (const Row& row : rows) out += Line(row, widths, color);
  return out;
}

std::string RenderCsv(const std::vector<std::string>& header, const std::vector<Row>& rows) {
  auto append = [](std::string* out, const Cell& cell) {
    absl::StrAppend(out, Quoted(cell.Raw()));
  };
  std::string out;
  if (!header.empty()) absl::StrAppend(&out, absl::StrJoin(header, ","), "\n");
  for (const Row& row : rows) absl::StrAppend(&out, absl::StrJoin(row, ",", append), "\n");
  return out;
}

}  // namespace vx::cli
