// Names and numbers of signals.
#pragma once

#include <optional>
#include <string>
#include "absl/strings/string_view.h"

namespace vx {

// "TERM", "SIGTERM", "sigterm" or "15"; nothing when there is no such signal.
std::optional<int> ParseSignal(absl::string_view text);

// "SIGTERM"; "SIG34" for one without a name.
std::string SignalName(int signal);

}  // namespace vx
