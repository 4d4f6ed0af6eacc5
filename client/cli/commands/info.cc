#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/lib/tree.h"
#include "client/lib/units.h"

namespace vx::cli {
namespace {

Color StateColor(v1::DriverState state) {
  switch (state) {
    case v1::DRIVER_STATE_READY:
      return Color::kGreen;
    case v1::DRIVER_STATE_UNAVAILABLE:
      return Color::kRed;
    default:
      return Color::kYellow;
  }
}

void AddRow(std::vector<Row>* rows, const std::string& name, const std::string& value) {
  if (!value.empty()) rows->push_back({name, value});
}

void AddDriver(const v1::DriverInfo& driver, std::vector<Row>* rows) {
  rows->push_back(
      {absl::StrCat("driver ", driver.name()),
       Cell(absl::StrCat(client::EnumText(driver.kind()), ", ", client::EnumText(driver.state())),
            "", StateColor(driver.state()))});
  AddRow(rows, "  reason", driver.reason());
  AddRow(rows, "  hint", driver.hint());
  AddRow(rows, "  can", absl::StrJoin(driver.capabilities(), " "));
  for (const std::string& missing : driver.missing()) AddRow(rows, "  missing", missing);
  const client::Node tree = client::ToTree(driver);
  for (const auto& [name, value] : client::Find(tree, "facts")->fields) {
    AddRow(rows, absl::StrCat("  ", name), value.text);
  }
}

std::string InfoTable(const v1::GetInfoResponse& info, const std::string& host) {
  std::vector<std::string> permissions;
  for (int p : info.permissions()) {
    permissions.push_back(client::EnumText(static_cast<v1::Permission>(p)));
  }
  std::vector<Row> rows;
  AddRow(&rows, "vxd", absl::StrCat(info.version(), " at ", host));
  AddRow(&rows, "instance", info.instance_id());
  AddRow(&rows, "you may", absl::StrJoin(permissions, " "));
  AddRow(&rows, "state", info.state_dir());
  AddRow(&rows, "runtime", info.runtime_dir());
  AddRow(&rows, "host", info.host().hostname());
  AddRow(&rows, "kernel", absl::StrCat(info.host().kernel(), " ", info.host().architecture()));
  AddRow(&rows, "cpus", absl::StrCat(info.host().cpus()));
  AddRow(&rows, "memory", client::FormatSize(info.host().memory_bytes()));
  AddRow(&rows, "cgroups", info.host().cgroup());
  for (const v1::DriverInfo& driver : info.drivers()) AddDriver(driver, &rows);
  return RenderTable({}, rows, UseColor());
}

int Info(Context& context, const OutputFlags& output) {
  if (absl::Status status = CheckFormat(output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto info = (*connection)->GetInfo();
  if (!info.ok()) return Report(info.status());
  if (output.format == "json" || output.format == "jsonl" || output.format == "yaml") {
    return Print(RenderMessage(*info, output.format));
  }
  return Print(InfoTable(*info, (*connection)->target().text));
}

}  // namespace

Action DeclareInfo(Arguments& arguments) {
  auto output = std::make_shared<OutputFlags>();
  DeclareOutput(arguments, output.get());
  arguments.Example("vxctl info\nvxctl info -o json");
  return [output](Context& context) { return Info(context, *output); };
}

}  // namespace vx::cli
