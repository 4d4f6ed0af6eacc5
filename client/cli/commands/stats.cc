#include <unistd.h>

#include <memory>
#include <optional>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/own_terminal.h"
#include "client/cli/render/stats_table.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct StatsFlags {
  OutputFlags output;
  std::vector<std::string> names;
  std::vector<std::string> filters;
  std::vector<std::string> labels;
  std::string interval = "1s";
  bool no_stream = false;
};

absl::StatusOr<v1::StreamStatsRequest> MakeRequest(const StatsFlags& flags) {
  absl::StatusOr<absl::Duration> interval = client::ParseDuration(flags.interval);
  if (!interval.ok()) return Misuse(Annotate(interval.status(), "--interval"));
  v1::StreamStatsRequest request;
  for (const std::string& name : flags.names) request.add_names(name);
  for (const std::string& filter : flags.filters) request.add_filters(filter);
  for (const std::string& label : flags.labels) {
    request.add_filters(absl::StrCat("label=", label));
  }
  request.mutable_interval()->set_seconds(
      absl::IDivDuration(*interval, absl::Seconds(1), &*interval));
  request.mutable_interval()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(*interval)));
  return request;
}

bool IsIn(const v1::StreamStatsResponse& round, const std::string& name) {
  return absl::c_any_of(round.stats(), [&](const v1::WorkloadStats& stats) {
    return stats.name() == name || absl::StartsWith(stats.uid(), name);
  });
}

// The names that are missing in what a person reads.
void SayWhoDoesNotRun(const StatsFlags& flags, const v1::StreamStatsResponse& round) {
  if (flags.output.format != "table" || !ErrorsOnTerminal()) return;
  for (const std::string& name : flags.names) {
    if (IsIn(round, name)) continue;
    WriteAll(STDERR_FILENO, absl::StrCat("(", Printable(name), " is not running)\n")).IgnoreError();
  }
}

// Prints one round after the other, in a form that has no end.
class Rounds {
 public:
  explicit Rounds(const OutputFlags& flags)
      : flags_(flags), redraw_(flags.format == "table" && UseColor()) {}

  absl::Status Print(const v1::StreamStatsResponse& round) {
    OutputFlags flags = flags_;
    if (flags.format == "json") flags.format = "jsonl";
    if (flags.format == "csv") flags.no_headers |= std::exchange(begun_, true);
    VX_ASSIGN_OR_RETURN(std::string text, Render(ListStats(round), flags, UseColor()));
    if (flags.format == "yaml") text = absl::StrCat("---\n", text);
    return WriteAll(STDOUT_FILENO, redraw_ ? OnScreen(text) : text);
  }

 private:
  // Over what was drawn before, line by line so that nothing flickers, and no more
  // lines than the terminal has.
  std::string OnScreen(const std::string& text) {
    const size_t rows = OwnTerminalSize().rows();
    std::string screen = std::exchange(begun_, true) ? "\x1b[H" : "\x1b[2J\x1b[H";
    size_t row = 0;
    for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      if (rows > 0 && ++row >= rows) break;
      absl::StrAppend(&screen, line, "\x1b[K\n");
    }
    return screen + "\x1b[J";
  }

  const OutputFlags flags_;
  const bool redraw_;
  bool begun_ = false;
};

int Stream(client::Stream<v1::StreamStatsResponse>& rounds, const StatsFlags& flags) {
  Rounds printer(flags.output);
  v1::StreamStatsResponse round;
  while (rounds.Read(&round)) {
    if (absl::Status status = printer.Print(round); !status.ok()) return Report(status);
  }
  return Report(rounds.Finish());
}

// The second round: what is used now is what was used since the first.
int Once(client::Stream<v1::StreamStatsResponse>& rounds, const StatsFlags& flags) {
  v1::StreamStatsResponse round, next;
  if (!rounds.Read(&round)) return Report(rounds.Finish());
  if (round.stats_size() > 0 && rounds.Read(&next)) round = next;
  rounds.Cancel();
  SayWhoDoesNotRun(flags, round);
  return PrintListing(ListStats(round), flags.output);
}

int Stats(Context& context, const StatsFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  absl::StatusOr<v1::StreamStatsRequest> request = MakeRequest(flags);
  if (!request.ok()) return Report(request.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto rounds = (*connection)->StreamStats(*request);
  return flags.no_stream ? Once(*rounds, flags) : Stream(*rounds, flags);
}

}  // namespace

Action DeclareStats(Arguments& arguments) {
  auto flags = std::make_shared<StatsFlags>();
  arguments.Words("NAME", &flags->names, "Names, uids or beginnings of uids; else all that run",
                  false);
  arguments.Flag("--no-stream", &flags->no_stream, "Once, and end");
  arguments.Option("--interval", &flags->interval, "TIME",
                   "Time between two looks, 100ms at least; 1s when left out");
  arguments.List("--filter", &flags->filters, "KEY=VALUE",
                 "Only those with this kind, state, image, name or label");
  arguments.List("-l,--selector", &flags->labels, "LABEL", "Only those with this label (K=V or K)");
  DeclareListOutput(arguments, &flags->output);
  arguments.Example(
      "vxctl stats\n"
      "vxctl stats --no-stream --sort -mem web db\n"
      "vxctl stats --interval 10s -o csv >> usage.csv");
  return [flags](Context& context) { return Stats(context, *flags); };
}

}  // namespace vx::cli
