// The verbs of vxctl by name.
#pragma once

#include <string>
#include <vector>

#include "client/cli/command_line.h"

namespace vx::cli {

const std::vector<Verb>& Verbs();

// Does what the words after the program's name say; the exit status.
int RunCommandLine(std::vector<std::string> words);

}  // namespace vx::cli
