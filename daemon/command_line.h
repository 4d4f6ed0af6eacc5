// vxd's flags.
#pragma once

#include "absl/status/statusor.h"
#include "daemon/config.h"

namespace vx {

enum class Verdict { kServe, kExit };

// Fills `config` from flags, environment and files. kExit: --help or --version was
// printed. INVALID_ARGUMENT (USAGE) for a flag that is not known.
absl::StatusOr<Verdict> ParseCommandLine(int argc, char** argv, Config& config);

}  // namespace vx
