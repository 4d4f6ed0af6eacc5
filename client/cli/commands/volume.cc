#include <google/protobuf/util/time_util.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/parse.h"
#include "client/cli/render/listing.h"
#include "client/lib/pages.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct VolumeFlags {
  OutputFlags output;
  std::vector<std::string> names;
  std::vector<std::string> filters;
  std::vector<std::string> labels;
  std::string name;
  std::string type = "directory";
  std::string backend;
  std::string format;
  std::optional<std::string> size;
  bool yes = false;
  bool no_wait = false;
};

Cell SizeCell(int64_t bytes, int64_t unknown) {
  if (bytes == unknown) return Cell();
  return Cell(client::FormatSize(bytes), absl::StrCat(bytes));
}

Listing ListVolumes(const std::vector<v1::Volume>& volumes, absl::Time now) {
  Listing listing;
  listing.type = v1::Volume::descriptor();
  listing.columns = {{"NAME"}, {"TYPE"}, {"BACKEND"},    {"SIZE"},
                     {"USED"}, {"AGE"},  {"WORKLOADS"}, {"PATH", true}};
  for (const v1::Volume& volume : volumes) {
    const v1::VolumeStatus& status = volume.status();
    Row row = {volume.name(),
               Cell(volume.spec().type() == v1::VOLUME_TYPE_BLOCK ? "block" : "directory"),
               volume.spec().backend(),
               SizeCell(volume.spec().size_bytes(), 0),
               SizeCell(status.used_bytes(), -1),
               Cell(client::FormatAge(now - absl::FromUnixSeconds(volume.create_time().seconds())),
                    google::protobuf::util::TimeUtil::ToString(volume.create_time())),
               absl::StrJoin(status.used_by(), ","),
               status.path()};
    listing.items.push_back({volume.name(), std::make_shared<v1::Volume>(volume), std::move(row)});
  }
  return listing;
}

// The words of --filter and -l as the daemon takes them.
std::vector<std::string> FiltersOf(const VolumeFlags& flags) {
  std::vector<std::string> filters = flags.filters;
  for (const std::string& label : flags.labels) filters.push_back(absl::StrCat("label=", label));
  return filters;
}

int Ls(Context& context, const VolumeFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto volumes = client::ListAllVolumes(**connection, FiltersOf(flags));
  if (!volumes.ok()) return Report(volumes.status());
  return PrintListing(ListVolumes(*volumes, absl::Now()), flags.output);
}

int Inspect(Context& context, const VolumeFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Volume> found;
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::GetVolumeRequest request;
    request.set_name(name);
    auto response = (*connection)->GetVolume(request);
    if (response.ok()) {
      found.push_back(response->volume());
    } else {
      exit_status = Report(response.status());
    }
  }
  bool single = flags.names.size() == 1;
  if (single && found.empty()) return exit_status;
  Listing listing = ListVolumes(found, absl::Now());
  listing.single = single;
  int printed = PrintListing(std::move(listing), flags.output);
  return printed != 0 ? printed : exit_status;
}

absl::StatusOr<v1::Volume> ToVolume(const VolumeFlags& flags) {
  v1::Volume volume;
  volume.set_name(flags.name);
  for (const std::string& label : flags.labels) {
    if (absl::Status bad = AddLabel(label, volume.mutable_labels()); !bad.ok()) {
      return Misuse(Annotate(bad, "--label"));
    }
  }
  v1::VolumeSpec& spec = *volume.mutable_spec();
  if (flags.type == "block") {
    spec.set_type(v1::VOLUME_TYPE_BLOCK);
  } else if (flags.type != "directory") {
    return UsageError(absl::StrCat("--type: there is no type \"", flags.type, "\""),
                      "write directory or block");
  }
  spec.set_backend(flags.backend);
  spec.set_format(flags.format);
  if (flags.size.has_value()) {
    absl::StatusOr<int64_t> bytes = client::ParseSize(*flags.size);
    if (!bytes.ok()) return Misuse(Annotate(bytes.status(), "--size"));
    spec.set_size_bytes(*bytes);
  }
  return volume;
}

int Create(Context& context, const VolumeFlags& flags) {
  absl::StatusOr<v1::Volume> volume = ToVolume(flags);
  if (!volume.ok()) return Report(volume.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::CreateVolumeRequest request;
  *request.mutable_volume() = *std::move(volume);
  auto response = (*connection)->CreateVolume(std::move(request));
  if (!response.ok()) return Report(response.status());
  const v1::Operation& operation = response->operation();
  return Conclude(context, operation, flags.no_wait, operation.target());
}

int Remove(Context& context, const std::vector<std::string>& names, bool no_wait) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  int exit_status = 0;
  for (const std::string& name : names) {
    v1::DeleteVolumeRequest request;
    request.set_name(name);
    auto response = (*connection)->DeleteVolume(request);
    int status = response.ok() ? Conclude(context, response->operation(), no_wait, name)
                               : Report(response.status());
    if (status != 0) exit_status = status;
  }
  return exit_status;
}

absl::Status AskToPrune(client::Connection& connection, const VolumeFlags& flags) {
  std::vector<std::string> filters = FiltersOf(flags), names;
  filters.push_back("used=false");
  VX_ASSIGN_OR_RETURN(auto volumes, client::ListAllVolumes(connection, filters));
  for (const v1::Volume& volume : volumes) names.push_back(volume.name());
  if (names.empty() || Confirmed(absl::StrCat("remove ", absl::StrJoin(names, ", "),
                                              ", and what is in there?"))) {
    return absl::OkStatus();
  }
  return Error(absl::StatusCode::kCancelled, "CANCELLED", "nothing was done");
}

// The daemon chooses again: what a workload took meanwhile stays.
absl::StatusOr<std::string> Prune(Context& context, const VolumeFlags& flags) {
  VX_ASSIGN_OR_RETURN(client::Connection * connection, context.Connect());
  if (!flags.yes) VX_RETURN_IF_ERROR(AskToPrune(*connection, flags));
  v1::PruneVolumesRequest request;
  for (const std::string& filter : FiltersOf(flags)) request.add_filters(filter);
  VX_ASSIGN_OR_RETURN(auto response, connection->PruneVolumes(std::move(request)));
  const std::string id = response.operation().id();
  if (flags.no_wait) return id;
  VX_RETURN_IF_ERROR(Await(context, response.operation()));
  v1::GetOperationRequest query;
  query.set_id(id);
  VX_ASSIGN_OR_RETURN(auto ended, connection->GetOperation(query));
  return ended.operation().result();
}

int PrunePrinting(Context& context, const VolumeFlags& flags) {
  auto result = Prune(context, flags);
  return result.ok() ? Print(*result + "\n") : Report(result.status());
}

void DeclareFilters(Arguments& arguments, VolumeFlags* flags) {
  arguments.List("--filter", &flags->filters, "KEY=VALUE",
                 "Only those with this name, type, used (true, false) or label");
  arguments.List("-l,--selector", &flags->labels, "LABEL", "Only those with this label (K=V or K)");
}

Action DeclareVolumeCreate(Arguments& arguments) {
  auto flags = std::make_shared<VolumeFlags>();
  arguments.OptionalWord("NAME", &flags->name, "Its name; chosen for you when left out");
  arguments.Option("--size", &flags->size, "SIZE", "The most that it may hold, e.g. 10G");
  arguments.Option("--type", &flags->type, "TYPE", "directory, or block: a disk for VMs");
  arguments.Option("--backend", &flags->backend, "BACKEND", "Who keeps it: dir or btrfs");
  arguments.Option("--format", &flags->format, "FORMAT", "Of a block volume: raw or qcow2");
  arguments.List("-l,--label", &flags->labels, "K=V", "A mark of your own");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl volume create data --size 10G");
  return [flags](Context& context) { return Create(context, *flags); };
}

Action DeclareVolumeLs(Arguments& arguments) {
  auto flags = std::make_shared<VolumeFlags>();
  DeclareFilters(arguments, flags.get());
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl volume ls --filter used=false");
  return [flags](Context& context) { return Ls(context, *flags); };
}

Action DeclareVolumeInspect(Arguments& arguments) {
  auto flags = std::make_shared<VolumeFlags>();
  flags->output.format = "json";
  arguments.Words("VOLUME", &flags->names, "Names of volumes", true);
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl volume inspect data -o yaml");
  return [flags](Context& context) { return Inspect(context, *flags); };
}

Action DeclareVolumeRm(Arguments& arguments) {
  auto flags = std::make_shared<VolumeFlags>();
  arguments.Words("VOLUME", &flags->names, "Names of volumes", true);
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl volume rm data");
  return [flags](Context& context) { return Remove(context, flags->names, flags->no_wait); };
}

Action DeclareVolumePrune(Arguments& arguments) {
  auto flags = std::make_shared<VolumeFlags>();
  DeclareFilters(arguments, flags.get());
  arguments.Flag("-y,--yes", &flags->yes, "Do not ask");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl volume prune -l project=old");
  return [flags](Context& context) { return PrunePrinting(context, *flags); };
}

}  // namespace

Action DeclareVolume(Arguments& arguments) {
  arguments.Verb("create", "Make a volume", DeclareVolumeCreate);
  arguments.Verb("ls", "The volumes of this host", DeclareVolumeLs);
  arguments.Verb("inspect", "All about volumes", DeclareVolumeInspect);
  arguments.Verb("rm", "Remove volumes, and what is in them", DeclareVolumeRm);
  arguments.Verb("prune", "Remove volumes that no workload has", DeclareVolumePrune);
  arguments.Example("vxctl volume ls");
  return nullptr;
}

}  // namespace vx::cli
