// What the terminal can show.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace vx::cli {

// Whether stdout is a terminal, TERM is not "dumb" and NO_COLOR is not set.
bool UseColor();

// Whether stderr is a terminal.
bool ErrorsOnTerminal();

enum class Color { kNone, kGreen, kYellow, kRed, kBold };

// `text` between the codes of the color.
std::string Colored(absl::string_view text, Color color);

// Characters, not bytes, of UTF-8.
size_t Width(absl::string_view text);

}  // namespace vx::cli
