// Whose something is, by what its text - a path, a command line, a name - holds.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/leftovers/leftovers.h"

namespace vx::leftovers {

enum class Whose {
  kForeign,   // none of the scope's
  kOwned,     // of a workload that may have it
  kInstance,  // of the instance, and no workload's
  kNobody,    // of the scope, and it may not be there
};

// Copies what it needs of a scope.
class Marks {
 public:
  explicit Marks(const Scope& scope);

  // Of what ends with a run. `text` is one thing: an argument, a variable, a path.
  Whose Of(std::string_view text) const;
  // Whether it must be reported.
  bool IsLeft(Whose whose) const;

  // Whether such a workload, whose uid may be shortened, runs; or is there.
  bool Runs(const std::string& uid) const;
  bool Exists(const std::string& uid) const;

  const std::string& id() const { return id_; }
  bool alive() const { return alive_; }
  bool anything_runs() const { return !running_.empty(); }

 private:
  std::string id_;
  bool alive_ = false;
  std::set<std::string> existing_;
  std::set<std::string> running_;
  std::vector<std::string> instance_dirs_;
  std::vector<std::string> dirs_;
};

// Whether `text` names `dir` or something below it; with a "*" at the end of
// `dir`, also what begins so.
bool NamesDir(std::string_view text, std::string_view dir);

// Whether `text` has the instance id in it, and not as a part of a longer number.
bool NamesId(std::string_view text, std::string_view id);

// Uids that `text` holds: 32 hex digits, also with the dashes of a UUID; or the
// first 8 of them or more after "ID-". What is named by its content (a kernel,
// an initramfs) is none.
std::vector<std::string> UidsIn(std::string_view text, std::string_view id);

}  // namespace vx::leftovers
