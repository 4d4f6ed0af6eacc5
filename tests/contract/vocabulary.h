// What the suite's workloads do, in the words of each driver: shell for those that
// run an image, its own language for the fake.
#pragma once

#include <string>
#include <vector>

namespace vx::contract {

enum class Behaviour {
  kTrue,           // ends with 0
  kStreams,        // "to out" on stdout, "to err" on stderr, ends with 7
  kForever,        // "ready", then nothing
  kEndsOnTerm,     // "ready"; ends with 3 on SIGTERM
  kEndsOnUsr2,     // "ready"; ends with 4 on SIGUSR2, ignores SIGTERM
  kIgnoresTerm,    // "ready"; goes on
  kAnswersUsr1,    // "ready"; "usr1" for each SIGUSR1
  kTicks,          // "tick 1", "tick 2", … for ever; ends with 3 on SIGTERM
  kManyLines,      // "tick 1" … "tick 2000", a line of 200,000 "x", "end" without a newline
  kMemo,           // "memo:" and what the last run wrote into the root; then writes "kept"
  kSurroundings,   // lines: $GREETING, the working directory, the host name
  kLimits,         // "memory N" (KiB, as inside) and "cpus N"; then for ever
  kReportsOnUsr1,  // "ready"; what kLimits says at each SIGUSR1
  kMemoryHog,      // takes memory until it is ended
  kFillsOnUsr1,    // "ready"; takes memory until it is ended, from SIGUSR1 on
  kSegfault,       // ends by SIGSEGV
  kEndsLate,       // "soon"; after 2 s "late", ends with 5
  kNotFound,       // there is no such command
  kNotExecutable,  // there is a file, which can't be executed
};

// argv; `driver` is its name().
std::vector<std::string> CommandFor(const std::string& driver, Behaviour behaviour);

}  // namespace vx::contract
