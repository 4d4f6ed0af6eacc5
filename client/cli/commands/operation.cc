#include <google/protobuf/util/time_util.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/lib/operation.h"
#include "client/lib/pages.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

constexpr int kMostListed = 1000;

struct OperationFlags {
  OutputFlags output;
  std::string workload;
  std::vector<std::string> ids;
};

absl::Time ToTime(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

Color StateColor(v1::OperationState state) {
  switch (state) {
    case v1::OPERATION_STATE_FAILED:
    case v1::OPERATION_STATE_ABORTED:
      return Color::kRed;
    case v1::OPERATION_STATE_RUNNING:
      return Color::kYellow;
    default:
      return Color::kNone;
  }
}

std::string Took(const v1::Operation& operation, absl::Time now) {
  if (!operation.has_start_time()) return "";
  absl::Time end = operation.has_end_time() ? ToTime(operation.end_time()) : now;
  absl::Duration took = end - ToTime(operation.start_time());
  if (took < absl::Milliseconds(1)) return "<1ms";
  return absl::FormatDuration(absl::Trunc(took, absl::Milliseconds(1)));
}

Listing ListOperations(const std::vector<v1::Operation>& operations, absl::Time now) {
  Listing listing;
  listing.type = v1::Operation::descriptor();
  listing.columns = {{"ID"},   {"TYPE"}, {"TARGET"},       {"STATE"},      {"PHASE"},
                     {"TOOK"}, {"AGE"},  {"CALLER", true}, {"ERROR", true}};
  for (const v1::Operation& each : operations) {
    std::string state = client::EnumText(each.state());
    Row row = {each.id(),
               client::EnumText(each.type()),
               each.target(),
               Cell(state, "", StateColor(each.state())),
               each.phase(),
               Took(each, now),
               Cell(client::FormatAge(now - ToTime(each.create_time())),
                    google::protobuf::util::TimeUtil::ToString(each.create_time())),
               each.caller(),
               each.error().message()};
    listing.items.push_back({each.id(), std::make_shared<v1::Operation>(each), std::move(row)});
  }
  return listing;
}

int Ls(Context& context, const OperationFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto operations = client::ListOperations(**connection, flags.workload, kMostListed);
  if (!operations.ok()) return Report(operations.status());
  return PrintListing(ListOperations(*operations, absl::Now()), flags.output);
}

absl::StatusOr<v1::Operation> Get(client::Connection& connection, const std::string& id) {
  v1::GetOperationRequest request;
  request.set_id(id);
  VX_ASSIGN_OR_RETURN(auto response, connection.GetOperation(request));
  return std::move(*response.mutable_operation());
}

int Inspect(Context& context, const OperationFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Operation> found;
  int exit_status = 0;
  for (const std::string& id : flags.ids) {
    absl::StatusOr<v1::Operation> operation = Get(**connection, id);
    if (operation.ok()) {
      found.push_back(*std::move(operation));
    } else {
      exit_status = Report(operation.status());
    }
  }
  if (found.empty()) return exit_status;
  Listing listing = ListOperations(found, absl::Now());
  listing.single = flags.ids.size() == 1;
  int printed = PrintListing(std::move(listing), flags.output);
  return printed != 0 ? printed : exit_status;
}

int Cancel(Context& context, const OperationFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  int exit_status = 0;
  for (const std::string& id : flags.ids) {
    v1::CancelOperationRequest request;
    request.set_id(id);
    auto response = (*connection)->CancelOperation(request);
    int status =
        response.ok() ? Print(response->operation().id() + "\n") : Report(response.status());
    if (status != 0) exit_status = status;
  }
  return exit_status;
}

int WaitForEach(Context& context, const OperationFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  int exit_status = 0;
  for (const std::string& id : flags.ids) {
    absl::StatusOr<v1::Operation> operation = Get(**connection, id);
    absl::Status status = operation.ok() ? Await(context, *operation) : operation.status();
    if (!status.ok()) exit_status = Report(status);
  }
  return exit_status;
}

std::shared_ptr<OperationFlags> DeclareIds(Arguments& arguments) {
  auto flags = std::make_shared<OperationFlags>();
  arguments.Words("ID", &flags->ids, "Ids of operations, or their beginnings", true);
  return flags;
}

Action DeclareOperationLs(Arguments& arguments) {
  auto flags = std::make_shared<OperationFlags>();
  arguments.Option("--workload", &flags->workload, "NAME", "Those of one workload");
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl operation ls --workload web");
  return [flags](Context& context) { return Ls(context, *flags); };
}

Action DeclareOperationInspect(Arguments& arguments) {
  auto flags = DeclareIds(arguments);
  flags->output.format = "json";
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl operation inspect 3f2a -o yaml");
  return [flags](Context& context) { return Inspect(context, *flags); };
}

Action DeclareOperationCancel(Arguments& arguments) {
  auto flags = DeclareIds(arguments);
  arguments.Example("vxctl operation cancel 3f2a");
  return [flags](Context& context) { return Cancel(context, *flags); };
}

Action DeclareOperationWait(Arguments& arguments) {
  auto flags = DeclareIds(arguments);
  arguments.Example("vxctl operation wait 3f2a");
  return [flags](Context& context) { return WaitForEach(context, *flags); };
}

}  // namespace

Action DeclareOperation(Arguments& arguments) {
  arguments.Verb("ls", "The changes that were asked for, newest first", DeclareOperationLs);
  arguments.Verb("inspect", "All about operations", DeclareOperationInspect);
  arguments.Verb("cancel", "Ask operations to end and undo what they did", DeclareOperationCancel);
  arguments.Verb("wait", "Wait until operations have ended; fails as they did",
                 DeclareOperationWait);
  arguments.Example("vxctl operation ls");
  return nullptr;
}

}  // namespace vx::cli
