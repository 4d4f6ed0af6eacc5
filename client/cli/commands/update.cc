#include <memory>
#include <optional>

#include "absl/strings/str_cat.h"
#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/parse.h"
#include "client/cli/spec_flags.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

constexpr char kNoPorts[] = "none";

struct UpdateFlags {
  std::string name;
  SpecFlags spec;  // its resources only
  std::vector<std::string> labels;
  std::vector<std::string> ports;
  std::optional<std::string> autostart;
  bool no_wait = false;
};

absl::StatusOr<bool> ParseSwitch(const char* flag, const std::string& text) {
  if (text == "on" || text == "off") return text == "on";
  return UsageError(absl::StrCat(flag, ": \"", text, "\" is neither on nor off"));
}

// Labels are replaced as a whole by the API: those that are there stay.
absl::Status MergeLabels(client::Connection& connection, const UpdateFlags& flags,
                         v1::Workload* workload) {
  v1::GetWorkloadRequest request;
  request.set_name(flags.name);
  VX_ASSIGN_OR_RETURN(auto response, connection.GetWorkload(request));
  *workload->mutable_labels() = response.workload().labels();
  workload->set_etag(response.workload().etag());
  for (const std::string& label : flags.labels) {
    if (label.size() > 1 && label.back() == '-' && label.find('=') == std::string::npos) {
      workload->mutable_labels()->erase(label.substr(0, label.size() - 1));
    } else if (absl::Status status = AddLabel(label, workload->mutable_labels()); !status.ok()) {
      return Misuse(Annotate(status, "--label"));
    }
  }
  return absl::OkStatus();
}

void FillMask(const UpdateFlags& flags, google::protobuf::FieldMask* mask) {
  if (!flags.labels.empty()) mask->add_paths("labels");
  for (const std::string& field : GivenResources(flags.spec)) {
    mask->add_paths(absl::StrCat("spec.resources.", field));
  }
  if (flags.autostart.has_value()) mask->add_paths("spec.autostart");
  if (!flags.ports.empty()) mask->add_paths("spec.ports");
}

absl::StatusOr<v1::Operation> Begin(Context& context, const UpdateFlags& flags) {
  v1::UpdateWorkloadRequest request;
  FillMask(flags, request.mutable_update_mask());
  if (request.update_mask().paths().empty()) {
    return UsageError("nothing to change", "give --label, --publish, --autostart or a limit, e.g. --memory");
  }
  v1::Workload* workload = request.mutable_workload();
  workload->set_name(flags.name);
  VX_RETURN_IF_ERROR(FillResources(flags.spec, workload->mutable_spec()->mutable_resources()));
  if (flags.autostart.has_value()) {
    VX_ASSIGN_OR_RETURN(bool on, ParseSwitch("--autostart", *flags.autostart));
    workload->mutable_spec()->set_autostart(on);
  }
  if (flags.ports != std::vector<std::string>{kNoPorts}) {
    VX_RETURN_IF_ERROR(FillPorts(flags.ports, workload->mutable_spec()));
  }
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  if (!flags.labels.empty()) VX_RETURN_IF_ERROR(MergeLabels(*connection, flags, workload));
  VX_ASSIGN_OR_RETURN(auto response, connection->UpdateWorkload(request));
  return response.operation();
}

int Update(Context& context, const UpdateFlags& flags) {
  absl::StatusOr<v1::Operation> operation = Begin(context, flags);
  if (!operation.ok()) return Report(operation.status());
  return Conclude(context, *operation, flags.no_wait, flags.name);
}

}  // namespace

Action DeclareUpdate(Arguments& arguments) {
  auto flags = std::make_shared<UpdateFlags>();
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  DeclareResources(arguments, &flags->spec);
  arguments.List("-l,--label", &flags->labels, "K=V", "Set this label; K- removes it");
  arguments.Option("--autostart", &flags->autostart, "on|off",
                   "Start it whenever the host was booted");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.List("-p,--publish", &flags->ports, "[IP:]HOST:GUEST[/udp]",
                 "All ports that it publishes from now on; none: no more");
  arguments.NotYet("--restart", true);
  arguments.Example(
      "vxctl update web --cpus 2 -m 1G -l tier=front\nvxctl update web -p 8080:80 -p 8443:443");
  return [flags](Context& context) { return Update(context, *flags); };
}

}  // namespace vx::cli
