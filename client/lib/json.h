// Writes a tree as JSON (RFC 8259).
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/lib/tree.h"

namespace vx::client {

enum class JsonStyle {
  kPretty,  // two spaces a level, one member a line
  kLine,    // no white space at all
};

// Without a newline at its end.
std::string ToJson(const Node& node, JsonStyle style);

// `text` in double quotes with all that must be escaped escaped, which is valid in
// YAML too. Bytes that are not UTF-8 become U+FFFD.
std::string JsonQuote(absl::string_view text);

// Well-formed UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF.
bool IsUtf8(absl::string_view text);

}  // namespace vx::client
