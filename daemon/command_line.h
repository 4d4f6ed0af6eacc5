// vxd's flags.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "daemon/config.h"

namespace vx {

// What the flags ask for.
struct CommandLine {
  // --help or --version was printed: nothing is left to do.
  bool exit = false;
  // The backup of --restore; empty: serve.
  std::string restore;
};

// Fills `config` from flags, environment and files. INVALID_ARGUMENT (USAGE) for a
// flag that is not known.
absl::StatusOr<CommandLine> ParseCommandLine(int argc, char** argv, Config& config);

}  // namespace vx
