#include <algorithm>
#include <memory>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/render/workload_table.h"
#include "client/lib/pages.h"

namespace vx::cli {
namespace {

struct LsFlags {
  OutputFlags output;
  std::vector<std::string> filters;
  std::vector<std::string> labels;
  bool all = false;
};

bool IsStopped(const v1::Workload& workload) {
  return workload.status().state() == v1::STATE_STOPPED;
}

// Who asks for a state, or for all, sees the stopped ones too.
bool ShowsStopped(const LsFlags& flags) {
  return flags.all || absl::c_any_of(flags.filters, [](const std::string& filter) {
           return absl::StartsWith(filter, "state=");
         });
}

void HideStopped(const LsFlags& flags, std::vector<v1::Workload>* workloads) {
  if (ShowsStopped(flags)) return;
  size_t before = workloads->size();
  workloads->erase(std::remove_if(workloads->begin(), workloads->end(), IsStopped),
                   workloads->end());
  size_t hidden = before - workloads->size();
  if (hidden > 0 && flags.output.format == "table" && ErrorsOnTerminal()) {
    absl::FPrintF(stderr, "(%d stopped; vxctl ls -a shows them too)\n", hidden);
  }
}

int Ls(Context& context, const LsFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<std::string> filters = flags.filters;
  for (const std::string& label : flags.labels) filters.push_back(absl::StrCat("label=", label));
  auto workloads = client::ListAllWorkloads(**connection, filters);
  if (!workloads.ok()) return Report(workloads.status());
  HideStopped(flags, &*workloads);
  return PrintListing(ListWorkloads(*workloads, absl::Now()), flags.output);
}

}  // namespace

Action DeclareLs(Arguments& arguments) {
  auto flags = std::make_shared<LsFlags>();
  arguments.Flag("-a,--all", &flags->all, "The stopped ones too");
  arguments.List("--filter", &flags->filters, "KEY=VALUE",
                 "Only those with this kind, state, image, name or label");
  arguments.List("-l,--selector", &flags->labels, "LABEL", "Only those with this label (K=V or K)");
  DeclareListOutput(arguments, &flags->output);
  arguments.Example(
      "vxctl ls -a --sort -memory\n"
      "vxctl ls --filter kind=vm -o json");
  return [flags](Context& context) { return Ls(context, *flags); };
}

}  // namespace vx::cli
