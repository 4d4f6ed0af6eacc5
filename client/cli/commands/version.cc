#include <memory>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/render/listing.h"
#include "client/lib/json.h"
#include "client/lib/tree.h"
#include "client/lib/yaml.h"

namespace vx::cli {
namespace {

client::Node VersionTree(const absl::StatusOr<v1::GetInfoResponse>& info) {
  client::Node node = client::Node::Object();
  node.fields.emplace_back("client", client::Node::String(VX_VERSION));
  node.fields.emplace_back(
      "server", info.ok() ? client::Node::String(info->version()) : client::Node::Null());
  return node;
}

absl::StatusOr<v1::GetInfoResponse> AskServer(Context& context) {
  auto connection = context.Connect();
  if (!connection.ok()) return connection.status();
  return (*connection)->GetInfo();
}

int Version(Context& context, const OutputFlags& output) {
  if (absl::Status status = CheckFormat(output); !status.ok()) return Report(status);
  absl::StatusOr<v1::GetInfoResponse> info = AskServer(context);
  // Without a daemon the client's own is still an answer; a bad --host is not.
  if (ExitStatus(info.status()) == kExitMisuse) return Report(info.status());
  if (output.format == "yaml") return Print(client::ToYaml(VersionTree(info)));
  if (output.format == "json" || output.format == "jsonl") {
    auto style = output.format == "json" ? client::JsonStyle::kPretty : client::JsonStyle::kLine;
    return Print(client::ToJson(VersionTree(info), style) + "\n");
  }
  std::string server = info.ok() ? info->version() : Printable(info.status().message());
  return Print(absl::StrCat("vxctl ", VX_VERSION, "\nvxd   ", server, "\n"));
}

}  // namespace

Action DeclareVersion(Arguments& arguments) {
  auto output = std::make_shared<OutputFlags>();
  DeclareOutput(arguments, output.get());
  arguments.Example("vxctl version");
  return [output](Context& context) { return Version(context, *output); };
}

}  // namespace vx::cli
