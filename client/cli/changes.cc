#include "client/cli/changes.h"

#include <unistd.h>

#include <array>
#include <cstdio>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/errors.h"
#include "client/cli/render/progress.h"
#include "client/cli/render/terminal.h"
#include "client/cli/signal_watcher.h"
#include "client/lib/operation.h"
#include "client/lib/pages.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

[[noreturn]] void Interrupted(const v1::Operation& operation, int signal) {
  const std::string& id = operation.id();
  fputs(ErrorsOnTerminal() ? "\n" : "", stderr);
  Report(Error(absl::StatusCode::kCancelled, "INTERRUPTED",
               absl::StrCat("stopped waiting; operation ", id, " goes on"),
               absl::StrCat("vxctl operation wait ", id, " follows it, vxctl operation cancel ", id,
                            " cancels it")));
  _exit(128 + signal);
}

absl::Status CheckSelection(const Selection& selection) {
  bool wide = selection.all || !selection.labels.empty();
  if (!selection.names.empty() && wide) {
    return UsageError("give either names, or -l or --all");
  }
  if (selection.names.empty() && !wide) {
    return UsageError("which workload?", "give its name; or -l KEY=VALUE, or --all");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Select(client::Connection& connection,
                                                const Selection& selection) {
  if (!selection.names.empty()) return selection.names;
  std::vector<std::string> filters;
  for (const std::string& label : selection.labels) {
    filters.push_back(absl::StrCat("label=", label));
  }
  return FindNames(connection, filters);
}

struct Begun {
  std::string name;
  v1::Operation operation;
};

// Begins all before the first is waited for: they run side by side.
int BeginAll(client::Connection& connection, const std::vector<std::string>& names,
             const Change& change, std::vector<Begun>* begun) {
  int exit_status = 0;
  for (const std::string& name : names) {
    absl::StatusOr<v1::Operation> operation = change(connection, name);
    if (operation.ok()) {
      begun->push_back({name, *std::move(operation)});
    } else {
      exit_status = Report(operation.status());
    }
  }
  return exit_status;
}

}  // namespace

bool Confirmed(const std::string& question) {
  if (isatty(STDIN_FILENO) == 0) return true;
  absl::FPrintF(stderr, "%s [y/N] ", question);
  std::array<char, 16> answer = {};
  if (fgets(answer.data(), answer.size(), stdin) == nullptr) return false;
  return absl::ascii_tolower(static_cast<unsigned char>(answer[0])) == 'y';
}

absl::Status Await(Context& context, const v1::Operation& operation) {
  if (client::HasEnded(operation)) return client::OperationError(operation);
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  VX_ASSIGN_OR_RETURN(ProgressMode mode, ParseProgress(context.flags().progress));
  Progress progress(mode);
  SignalWatcher watcher([&](int signal) { Interrupted(operation, signal); });
  client::Follow follow;
  if (progress.wanted()) follow.progress = [&](const v1::Operation& now) { progress.Update(now); };
  VX_ASSIGN_OR_RETURN(v1::Operation ended, client::FollowOperation(*connection, operation, follow));
  return client::OperationError(ended);
}

void DeclareSelection(Arguments& arguments, Selection* selection) {
  arguments.Words("NAME", &selection->names, "Names, uids or beginnings of uids", false);
  arguments.List("-l,--selector", &selection->labels, "LABEL", "All with this label (K=V or K)");
  arguments.Flag("--all", &selection->all, "All there are");
  arguments.Flag("-y,--yes", &selection->yes, "Do not ask");
  arguments.Flag("--no-wait", &selection->no_wait, "Print the operation's id instead of waiting");
}

int ChangeEach(Context& context, const Selection& selection, const std::string& verb,
               const Change& change) {
  if (absl::Status status = CheckSelection(selection); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto names = Select(**connection, selection);
  if (!names.ok()) return Report(names.status());
  if (names->empty()) return 0;
  const std::string question =
      absl::StrFormat("%s %d workload%s?", verb, names->size(), names->size() == 1 ? "" : "s");
  if (selection.all && !selection.yes && !Confirmed(question)) {
    return Report(Error(absl::StatusCode::kCancelled, "CANCELLED", "nothing was done"));
  }
  std::vector<Begun> begun;
  int exit_status = BeginAll(**connection, *names, change, &begun);
  for (const Begun& each : begun) {
    int status = Conclude(context, each.operation, selection.no_wait, each.name);
    if (status != 0) exit_status = status;
  }
  return exit_status;
}

absl::StatusOr<std::vector<std::string>> FindNames(client::Connection& connection,
                                                   const std::vector<std::string>& filters) {
  VX_ASSIGN_OR_RETURN(std::vector<v1::Workload> workloads,
                      client::ListAllWorkloads(connection, filters));
  std::vector<std::string> names;
  for (const v1::Workload& workload : workloads) names.push_back(workload.name());
  return names;
}

int Conclude(Context& context, const v1::Operation& operation, bool no_wait,
             const std::string& result) {
  if (no_wait) return Print(operation.id() + "\n");
  if (absl::Status status = Await(context, operation); !status.ok()) return Report(status);
  return Print(result + "\n");
}

}  // namespace vx::cli
