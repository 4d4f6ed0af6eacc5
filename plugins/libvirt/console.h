// What a guest's console said, for messages: a shim keeps its last 64 KiB.
//
// A guest's bytes are not trusted: lines are cut to 200 characters of plain text.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vx::libvirt {

// The last line that says something; empty when there is none. `dir` is the
// shim's folder.
std::string LastConsoleLine(const std::string& dir);

// The last line with `text` in it; empty when there is none.
std::string FindConsoleLine(const std::string& dir, absl::string_view text);

}  // namespace vx::libvirt
