// Writes a tree as YAML that both 1.1 and 1.2 readers read as the same values.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "client/lib/tree.h"

namespace vx::client {

// Block style, two spaces a level, a newline at its end. A string is plain only
// where no reader could take it for something else, and in double quotes else.
std::string ToYaml(const Node& node);

// Whether `text` may stand in YAML without quotes and still be that string.
bool IsPlainYaml(absl::string_view text);

}  // namespace vx::client
