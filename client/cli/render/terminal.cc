#include "client/cli/render/terminal.h"

#include <unistd.h>

#include <cstdlib>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace vx::cli {
namespace {

absl::string_view Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? "" : value;
}

absl::string_view Code(Color color) {
  switch (color) {
    case Color::kGreen:
      return "32";
    case Color::kYellow:
      return "33";
    case Color::kRed:
      return "31";
    case Color::kBold:
      return "1";
    case Color::kNone:
      break;
  }
  return "0";
}

}  // namespace

bool UseColor() {
  return isatty(STDOUT_FILENO) == 1 && Environment("NO_COLOR").empty() &&
         Environment("TERM") != "dumb";
}

bool ErrorsOnTerminal() { return isatty(STDERR_FILENO) == 1; }

std::string Colored(absl::string_view text, Color color) {
  if (color == Color::kNone) return std::string(text);
  return absl::StrCat("\x1b[", Code(color), "m", text, "\x1b[0m");
}

size_t Width(absl::string_view text) {
  return static_cast<size_t>(absl::c_count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace vx::cli
