// Aligned columns of text.
#pragma once

#include <string>
#include <vector>

#include "client/cli/render/terminal.h"

namespace vx::cli {

struct Cell {
  Cell() = default;
  // `raw` is what programs get (CSV, sorting): bytes rather than "512M". Empty:
  // the same as `text`.
  Cell(std::string text, std::string raw = "", Color color = Color::kNone)
      : text(std::move(text)), raw(std::move(raw)), color(color) {}

  const std::string& Raw() const { return raw.empty() ? text : raw; }

  std::string text;
  std::string raw;
  Color color = Color::kNone;
};

using Row = std::vector<Cell>;

// Three spaces between columns, none at the end of a line. Empty cells are "-".
// `header` empty: none is printed.
std::string RenderTable(const std::vector<std::string>& header, const std::vector<Row>& rows,
                        bool color);

// RFC 4180, with "\n" as the end of a line.
std::string RenderCsv(const std::vector<std::string>& header, const std::vector<Row>& rows);

}  // namespace vx::cli
