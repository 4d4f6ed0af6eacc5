#include <memory>

#include "absl/time/clock.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/render/workload_table.h"

namespace vx::cli {
namespace {

struct InspectFlags {
  OutputFlags output = {.format = "json"};
  std::vector<std::string> names;
};

int Inspect(Context& context, const InspectFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Workload> found;
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::GetWorkloadRequest request;
    request.set_name(name);
    auto response = (*connection)->GetWorkload(request);
    if (response.ok()) {
      found.push_back(std::move(*response->mutable_workload()));
    } else {
      exit_status = Report(response.status());
    }
  }
  bool single = flags.names.size() == 1;
  if (single && found.empty()) return exit_status;
  Listing listing = ListWorkloads(found, absl::Now());
  listing.single = single;
  int printed = PrintListing(std::move(listing), flags.output);
  return printed != 0 ? printed : exit_status;
}

}  // namespace

Action DeclareInspect(Arguments& arguments) {
  auto flags = std::make_shared<InspectFlags>();
  arguments.Words("NAME", &flags->names, "Names, uids or beginnings of uids", true);
  DeclareListOutput(arguments, &flags->output);
  arguments.Example(
      "vxctl inspect web\n"
      "vxctl inspect web -o csv --no-headers --columns status.exit.code,status.exit.reason");
  return [flags](Context& context) { return Inspect(context, *flags); };
}

}  // namespace vx::cli
