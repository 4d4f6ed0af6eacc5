#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/pulls.h"
#include "client/cli/render/listing.h"
#include "client/cli/spec_flags.h"

namespace vx::cli {
namespace {

struct CreateFlags {
  SpecFlags spec;
  PullFlags pull;
  OutputFlags output = {.format = "name"};
  bool start = false;
  bool no_wait = false;
};

int PrintCreated(Context& context, const std::string& name, const std::string& format) {
  if (format == "name" || format == "table" || format == "wide") return Print(name + "\n");
  v1::GetWorkloadRequest request;
  request.set_name(name);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto response = (*connection)->GetWorkload(request);
  if (!response.ok()) return Report(response.status());
  return Print(RenderMessage(response->workload(), format));
}

int Create(Context& context, const CreateFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  absl::StatusOr<v1::Workload> workload = ToWorkload(flags.spec);
  if (!workload.ok()) return Report(workload.status());
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = *std::move(workload);
  request.set_start(flags.start);
  auto response = CreateWithImage(context, request, flags.pull);
  if (!response.ok()) return Report(response.status());
  if (flags.no_wait) return Print(response->operation().id() + "\n");
  absl::Status status = Await(context, response->operation());
  if (!status.ok()) return Report(status);
  return PrintCreated(context, response->workload().name(), flags.output.format);
}

}  // namespace

Action DeclareCreate(Arguments& arguments) {
  auto flags = std::make_shared<CreateFlags>();
  DeclareSpec(arguments, &flags->spec);
  DeclarePull(arguments, &flags->pull);
  DeclareOutput(arguments, &flags->output);
  arguments.Flag("--start", &flags->start, "Start it too");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example(
      "vxctl create --kind=container --name web busybox -- httpd -f\n"
      "vxctl create --kind=vm web --image busybox -m 256M");
  return [flags](Context& context) { return Create(context, *flags); };
}

}  // namespace vx::cli
