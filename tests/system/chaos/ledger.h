// What one client was told about one workload or image, and so what must be.
#pragma once

#include <deque>
#include <set>
#include <string>

#include "tests/system/harness/daemon.h"

namespace vx::system_test {

// What may be, of what a change can change. One of each: it is known.
struct Belief {
  // "absent", "there" (of an image), or a workload's state.
  std::set<std::string> states = {"absent"};
  // Of a workload that is there.
  std::set<int64_t> memory_mib = {0};
  std::set<std::string> mark = {""};

  bool known() const { return states.size() == 1 && memory_mib.size() == 1 && mark.size() == 1; }
  const std::string& state() const { return *states.begin(); }
  // Either may be.
  void Add(const Belief& other);
};

std::ostream& operator<<(std::ostream& stream, const Belief& belief);

// How a command ended, for the one who gave it.
enum class Verdict {
  kDone,
  kNotDone,  // told so
  kUnknown,  // no answer
};

// A command, and what is to be when it is done or not done.
struct Move {
  Words words;
  Belief done;
  // Where the change can't be taken back: a restart has ended the run.
  Belief not_done;
  // It must be refused for this reason; empty: it may only fail because vxd died.
  std::string refusal;
  // The run that is there then began after the command was given.
  bool new_run = false;
};

// The label that shows changes of labels.
inline constexpr char kMark[] = "mark";

// For one thread.
class Ledger {
 public:
  Ledger(std::string name, std::string kind) : name_(std::move(name)), kind_(std::move(kind)) {}

  const std::string& name() const { return name_; }
  // "container", "vm", "image".
  const std::string& kind() const { return kind_; }
  const Belief& belief() const { return belief_; }

  // Notes how a command ended. What must not have come about is a failed test.
  Verdict Note(const Move& move, const Result& result);
  // What vxd says now, null: that there is none. A failed test if it can't be;
  // believed from now on.
  void Compare(const Json& seen);
  // With the last commands and their answers.
  void Complain(const std::string& what) const;

 private:
  Belief See(const Json& seen) const;

  const std::string name_;
  const std::string kind_;
  Belief belief_;
  std::deque<std::string> history_;
};

// The reason in vxctl's complaint: "vxctl: WHAT (REASON)".
std::string ReasonOf(const Result& result);

// Whether vxctl could not reach vxd, or lost it.
bool IsOutOfReach(const std::string& reason);

}  // namespace vx::system_test
