#include "tests/contract/vocabulary.h"

#include <cstdlib>
#include <map>

namespace vx::contract {
namespace {

using Commands = std::map<Behaviour, std::vector<std::string>>;

std::vector<std::string> Shell(const char* script) { return {"sh", "-c", script}; }

const Commands& OfImages() {
  static const auto* commands = new Commands{
      {Behaviour::kTrue, {"true"}},
      {Behaviour::kStreams, Shell("echo to out; echo to err >&2; exit 7")},
      {Behaviour::kForever, Shell("echo ready; exec sleep 100000")},
      {Behaviour::kEndsOnTerm,
       Shell("trap 'exit 3' TERM; echo ready; sleep 100000 & wait; exit 9")},
      {Behaviour::kEndsOnUsr2,
       Shell("trap '' TERM; trap 'exit 4' USR2; echo ready; sleep 100000 & wait; exit 9")},
      {Behaviour::kIgnoresTerm, Shell("trap '' TERM; echo ready; while :; do sleep 100000; done")},
      {Behaviour::kAnswersUsr1,
       Shell("trap 'echo usr1' USR1; echo ready; while :; do sleep 100000 & wait; done")},
      {Behaviour::kTicks, Shell("trap 'exit 3' TERM; i=0\n"
                                "while :; do i=$((i+1)); echo tick $i; sleep 0.05; done")},
      {Behaviour::kManyLines,
       Shell("i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo tick $i; done\n"
             "head -c 200000 /dev/zero | tr '\\0' x; echo; printf end")},
      {Behaviour::kMemo, Shell("echo \"memo:$(cat /memo 2>/dev/null)\"; echo kept >/memo")},
      {Behaviour::kSurroundings, Shell("echo \"$GREETING\"; pwd; hostname")},
      {Behaviour::kLimits, Shell("awk '/^MemTotal/{print \"memory\", $2}' /proc/meminfo\n"
                                 "echo cpus $(nproc); exec sleep 100000")},
      {Behaviour::kMemoryHog, {"tail", "/dev/zero"}},
      {Behaviour::kReportsOnUsr1,
       Shell("report() {\n"
             "awk '/^MemTotal/{print \"memory\", $2}' /proc/meminfo; echo cpus $(nproc); }\n"
             "trap report USR1; echo ready; while :; do sleep 100000 & wait; done")},
      {Behaviour::kFillsOnUsr1, Shell("trap 'exec tail /dev/zero' USR1; echo ready\n"
                                      "while :; do sleep 100000 & wait; done")},
      // A real fault: the init of a pid namespace survives a signal that it sends itself.
      {Behaviour::kSegfault, Shell("ulimit -s 256; f() { f; }; f")},
      {Behaviour::kEndsLate, Shell("echo soon; sleep 2; echo late; exit 5")},
      {Behaviour::kNotFound, {"no-such-command"}},
      {Behaviour::kNotExecutable, {"/etc/passwd"}},
  };
  return *commands;
}

const Commands& OfFake() {
  static const auto* commands = new Commands{
      {Behaviour::kTrue, {"true"}},
      {Behaviour::kStreams, Shell("echo to out; echo-err to err; exit 7")},
      {Behaviour::kForever, Shell("echo ready; sleep infinity")},
      {Behaviour::kEndsOnTerm, Shell("on TERM exit 3; echo ready; sleep infinity")},
      {Behaviour::kEndsOnUsr2, Shell("trap-term; on USR2 exit 4; echo ready; sleep infinity")},
      {Behaviour::kIgnoresTerm, Shell("trap-term; echo ready; sleep infinity")},
      {Behaviour::kAnswersUsr1, Shell("on USR1 echo usr1; echo ready; sleep infinity")},
      {Behaviour::kTicks, Shell("on TERM exit 3; tick 50")},
      {Behaviour::kManyLines,
       {"tick", "0", "2000", ";", "echo", std::string(200000, 'x'), ";", "echo-n", "end"}},
      {Behaviour::kMemo, Shell("echo-n memo:; read; write kept")},
      {Behaviour::kSurroundings, Shell("env GREETING; pwd; hostname")},
      {Behaviour::kLimits, Shell("memory; cpus; sleep infinity")},
      {Behaviour::kMemoryHog, {"oom"}},
      {Behaviour::kReportsOnUsr1, Shell("on USR1 echo cpus 1; echo ready; sleep infinity")},
      {Behaviour::kFillsOnUsr1, Shell("on USR1 exit 137; echo ready; sleep infinity")},
      {Behaviour::kSegfault, {"crash"}},
      {Behaviour::kEndsLate, Shell("echo soon; sleep 2; echo late; exit 5")},
      {Behaviour::kNotFound, {"no-such-command"}},
      {Behaviour::kNotExecutable, {"/not-executable"}},
  };
  return *commands;
}

}  // namespace

std::vector<std::string> CommandFor(const std::string& driver, Behaviour behaviour) {
  return (driver == "fake" ? OfFake() : OfImages()).at(behaviour);
}

}  // namespace vx::contract
