// The language of the fake driver's commands: what a workload "runs" instead of
// a process.
//
// argv is one step or several, parted by ";" words; `sh -c "STEP; STEP"` is the
// same as text. Time passes in `sleep` and `tick` only.
//
//   true | false | exit N        ends the run with 0, 1, N; so does the last step (0)
//   echo W… | echo-err W…        a line to stdout, to stderr
//   echo-n W…                    the same to stdout without a newline
//   sleep SECONDS | infinity
//   tick MS [COUNT]              "tick 1", "tick 2", … a line every MS ms; without COUNT for ever
//   on SIGNAL STEP               from now on SIGNAL makes it do STEP (one without time)
//   trap-term                    on TERM true: the signal is ignored
//   crash [SIGNAL]               ends by a signal (SEGV)
//   oom | lose                   ends with that reason
//   write W… | read              replaces, prints the content of the writable root
//   memory | cpus                prints the limit that is in force, 0 for none
//   env NAME | pwd | hostname    prints what the process got
//
// Any other word is not found (127) and "/not-executable" not executable (126).
#pragma once

#include <string>
#include <vector>

namespace vx::fake {

struct Step {
  std::string verb;
  std::vector<std::string> args;

  // The argument at `index`, or `fallback`.
  std::string Arg(size_t index, const std::string& fallback = "") const;
};

// Never fails: what can't be run is told by ExecError.
std::vector<Step> ParseProgram(const std::vector<std::string>& argv);

// What exec would say of it: 0, ENOENT or EACCES.
int ExecError(const Step& step);

}  // namespace vx::fake
