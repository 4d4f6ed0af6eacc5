// What the verbs that change something have in common: several names, waiting for
// operations, and Ctrl-C.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cli/arguments.h"
#include "client/cli/context.h"
#include "vx/v1/operation.pb.h"

namespace vx::cli {

// Waits for the end with progress; the result is the operation's error. On Ctrl-C
// the process ends with 130 and says how to follow or cancel; the operation goes on.
absl::Status Await(Context& context, const v1::Operation& operation);

// Asks a question on a terminal; where there is none, the answer is yes.
bool Confirmed(const std::string& question);

// Which workloads a verb acts on.
struct Selection {
  std::vector<std::string> names;
  std::vector<std::string> labels;
  bool all = false;
  bool yes = false;
  bool no_wait = false;
};

// NAME…, -l, --all, -y and --no-wait.
void DeclareSelection(Arguments& arguments, Selection* selection);

using Change =
    std::function<absl::StatusOr<v1::Operation>(client::Connection&, const std::string&)>;

// Begins `change` for each that is selected, waits for all of them, and prints the
// name of each that is done (with --no-wait: the operation's id). Every failure is
// reported; the exit status is then 1. `verb` is for the question that --all asks.
int ChangeEach(Context& context, const Selection& selection, const std::string& verb,
               const Change& change);

// Names of all workloads for which every "key=value" holds.
absl::StatusOr<std::vector<std::string>> FindNames(client::Connection& connection,
                                                   const std::vector<std::string>& filters);

// Waits and prints `result`, or with `no_wait` prints the operation's id.
int Conclude(Context& context, const v1::Operation& operation, bool no_wait,
             const std::string& result);

}  // namespace vx::cli
