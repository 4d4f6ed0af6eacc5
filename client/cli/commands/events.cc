#include <google/protobuf/util/time_util.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/event_source.h"
#include "client/cli/render/listing.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

struct EventsFlags {
  OutputFlags output;
  std::string workload;
  std::optional<std::string> since;
  bool follow = false;
};

std::string Subject(const v1::Event& event) {
  if (event.has_workload()) return event.workload().name();
  if (event.has_operation()) return event.operation().target();
  return "";
}

std::string Detail(const v1::Event& event) {
  if (event.has_workload()) {
    const v1::WorkloadStatus& status = event.workload().status();
    const std::string state = client::EnumText(status.state());
    return status.message().empty() ? state : absl::StrCat(state, ": ", status.message());
  }
  if (!event.has_operation()) return "";
  const v1::Operation& operation = event.operation();
  std::string detail =
      absl::StrCat(client::EnumText(operation.type()), " ", client::EnumText(operation.state()));
  if (!operation.error().message().empty())
    absl::StrAppend(&detail, ": ", operation.error().message());
  return detail;
}

Row EventRow(const v1::Event& event) {
  return {google::protobuf::util::TimeUtil::ToString(event.time()), absl::StrCat(event.revision()),
          client::EnumText(event.type()), Subject(event), Detail(event)};
}

Listing ListEvents(const std::vector<v1::Event>& events) {
  Listing listing;
  listing.type = v1::Event::descriptor();
  listing.columns = {{"TIME"}, {"REVISION"}, {"EVENT"}, {"NAME"}, {"DETAIL"}};
  for (const v1::Event& event : events) {
    listing.items.push_back(
        {absl::StrCat(event.revision()), std::make_shared<v1::Event>(event), EventRow(event)});
  }
  return listing;
}

// One event of a stream that has no end: a line, or a document of YAML.
std::string RenderOne(const v1::Event& event, const OutputFlags& flags) {
  if (flags.quiet || flags.format == "name") return absl::StrCat(event.revision(), "\n");
  if (flags.format == "yaml") return "---\n" + RenderMessage(event, "yaml");
  if (flags.format == "json" || flags.format == "jsonl") return RenderMessage(event, "jsonl");
  Row row = EventRow(event);
  if (flags.format == "csv") return RenderCsv({}, {row});
  return absl::StrFormat("%-30s  %8s  %-17s  %-20s  %s\n", row[0].text, row[1].text, row[2].text,
                         Printable(row[3].text), Printable(row[4].text));
}

absl::StatusOr<EventStart> ParseStart(const EventsFlags& flags) {
  EventStart start;
  start.workload = flags.workload;
  start.follow = flags.follow;
  if (!flags.since.has_value()) return start;
  int64_t revision = 0;
  if (absl::SimpleAtoi(*flags.since, &revision)) {
    start.revision = revision;
    return start;
  }
  absl::StatusOr<absl::Time> time = client::ParseSince(*flags.since, absl::Now());
  if (!time.ok()) return Misuse(Annotate(time.status(), "--since"));
  start.time = *time;
  return start;
}

int Events(Context& context, const EventsFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  absl::StatusOr<EventStart> start = ParseStart(flags);
  if (!start.ok()) return Report(start.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Event> collected;
  absl::Status status = ReadEvents(**connection, *start, [&](const v1::Event& event) {
    if (!flags.follow) {
      collected.push_back(event);
      return absl::OkStatus();
    }
    return WriteAll(STDOUT_FILENO, RenderOne(event, flags.output));
  });
  if (!status.ok()) return Report(status);
  return flags.follow ? 0 : PrintListing(ListEvents(collected), flags.output);
}

}  // namespace

Action DeclareEvents(Arguments& arguments) {
  auto flags = std::make_shared<EventsFlags>();
  arguments.Flag("-f,--follow", &flags->follow, "Go on with what happens from now on");
  arguments.Option("--since", &flags->since, "REVISION|TIME",
                   "After a revision, or from 10m ago or an RFC 3339 time on");
  arguments.Option("--workload", &flags->workload, "NAME", "Those of one workload");
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl events --since 10m\nvxctl events -f -o jsonl");
  return [flags](Context& context) { return Events(context, *flags); };
}

}  // namespace vx::cli
