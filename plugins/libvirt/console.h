// What a guest's console said in the present run, or the last one, for messages.
//
// A guest's bytes are not trusted: the last 64 KiB of the log (shim/console.h) are looked
// at, and lines are cut to 200 characters of plain text.
#pragma once

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace vx::libvirt {

// The last line that says something; empty when there is none. `log` is the path of the
// console's log.
std::string LastConsoleLine(const std::string& log);

// The last `count` lines that say something, oldest first, with " | " between them.
std::string LastConsoleLines(const std::string& log, size_t count);

// The last line with `text` in it; empty when there is none.
std::string FindConsoleLine(const std::string& log, absl::string_view text);

}  // namespace vx::libvirt
