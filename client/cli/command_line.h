// From the words of a command line to what is to be done.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cli/arguments.h"

namespace vx::cli {

// One verb of vxctl.
struct Verb {
  std::string name;
  std::vector<std::string> aliases;
  std::string help;
  std::function<Action(Arguments&)> declare;
};

// One of three: something to do, help to print, or an error of the user's.
struct Parsed {
  Action action;
  std::string help;
  absl::Status error;
};

// `globals` declares the flags that every verb understands, before it and behind
// it. Only the verb that the line names is declared, as most lines name one. Verbs
// that are still to come are in `later`.
Parsed ParseCommandLine(std::vector<std::string> words, const std::vector<Verb>& verbs,
                        const std::vector<std::string>& later,
                        const std::function<void(Arguments&)>& globals);

}  // namespace vx::cli
