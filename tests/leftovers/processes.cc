// Processes, by all that ties one to what is looked for.
#include <unistd.h>

#include "tests/leftovers/context.h"

namespace vx::leftovers {
namespace {

// What of a process counts most, and where it was seen.
struct Tie {
  Whose whose = Whose::kForeign;
  std::string where;
  bool owned = false;
};

void Weigh(Whose whose, const std::string& where, Tie& tie) {
  tie.owned |= whose == Whose::kOwned;
  if (whose <= tie.whose) return;
  tie.whose = whose;
  tie.where = where;
}

Tie Tied(const Context& context, const Process& process) {
  const Marks& marks = context.marks;
  Tie tie;
  Weigh(marks.Of(process.program), "its program is " + process.program, tie);
  for (const std::string& text : process.arguments) {
    Weigh(marks.Of(text), "it was started with " + text, tie);
  }
  for (const OpenFile& file : process.files) {
    Weigh(marks.Of(file.link), "its " + file.what + " is " + file.link, tie);
  }
  for (const std::string& text : process.environment) {
    Weigh(marks.Of(text), "its environment has " + text, tie);
  }
  for (const std::string& text : process.cgroups) {
    Weigh(marks.Of(text), "it is in the cgroup " + text, tie);
  }
  // A workload's process may also name what is the instance's.
  if (tie.owned && tie.whose == Whose::kInstance) tie.whose = Whose::kOwned;
  const std::string& programs = context.scope.programs;
  if (!programs.empty() && process.program.starts_with(programs + "/")) {
    Weigh(Whose::kNobody, "its program is " + process.program, tie);
  }
  return tie;
}

std::string Name(const Process& process) {
  return std::to_string(process.pid) + "@" + std::to_string(process.start);
}

// Nobody waits for one that ended, and init does so for those without a parent.
// Those of a workload that runs are its own affair.
bool IsForgotten(const Context& context, const Process& process, pid_t tester) {
  const auto whose = context.whose.find(process.pid);
  if (whose != context.whose.end() && whose->second == Whose::kOwned) return false;
  return process.parent == tester || context.whose.contains(process.parent);
}

void Judge(Context& context, const Process& process, const Tie& tie, pid_t tester) {
  const std::string parent = std::to_string(process.parent);
  if (process.ended()) {
    if (!IsForgotten(context, process, tester)) return;
    context.Add("process", Name(process),
                "(" + process.name + ") ended, and its parent " + parent + " does not know");
  } else if (context.marks.IsLeft(tie.whose)) {
    context.Add("process", Name(process), tie.where + ": " + process.CommandLine());
  } else if (process.parent == tester && context.scope.children) {
    context.Add("process", Name(process), "a child of " + parent + ": " + process.CommandLine());
  }
}

}  // namespace

void FindProcesses(Context& context) {
  const pid_t tester = context.scope.tester != 0 ? context.scope.tester : getpid();
  std::set<pid_t> ours = WithParents(context.processes, getpid());
  ours.merge(WithParents(context.processes, tester));
  std::map<pid_t, Tie> ties;
  for (const Process& process : context.processes) {
    if (ours.contains(process.pid)) continue;
    const Tie& tie = ties[process.pid] = Tied(context, process);
    if (tie.whose != Whose::kForeign) context.whose[process.pid] = tie.whose;
  }
  for (const Process& process : context.processes) {
    if (ties.contains(process.pid)) Judge(context, process, ties[process.pid], tester);
  }
}

}  // namespace vx::leftovers
