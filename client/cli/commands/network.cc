// vxctl network: the networks that workloads are on.
#include <google/protobuf/util/time_util.h>

#include <memory>

#include "absl/strings/numbers.h"
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

struct NetworkFlags {
  OutputFlags output;
  std::vector<std::string> names;
  std::string name;
  std::string subnet, gateway, ipv6_subnet, host_bridge;
  std::string mtu;
  std::vector<std::string> labels;
  bool internal = false;
  bool isolated = false;
  bool no_wait = false;
};

Listing ListNetworks(const std::vector<v1::Network>& networks, absl::Time now) {
  Listing listing;
  listing.type = v1::Network::descriptor();
  listing.columns = {{"NAME"}, {"SUBNET"},        {"IPV6"},          {"MEMBERS"},
                     {"AGE"},  {"BRIDGE", true}, {"OPTIONS", true}};
  for (const v1::Network& network : networks) {
    const v1::NetworkSpec& spec = network.spec();
    std::vector<std::string> options;
    if (spec.internal()) options.push_back("internal");
    if (spec.isolated()) options.push_back("isolated");
    const absl::Time made = absl::FromUnixSeconds(network.create_time().seconds());
    Row row = {network.name(),
               spec.subnet(),
               spec.ipv6_subnet(),
               absl::StrCat(network.status().members_size()),
               Cell(client::FormatAge(now - made),
                    google::protobuf::util::TimeUtil::ToString(network.create_time())),
               network.status().bridge(),
               absl::StrJoin(options, ",")};
    listing.items.push_back(
        {network.name(), std::make_shared<v1::Network>(network), std::move(row)});
  }
  return listing;
}

int Ls(Context& context, const NetworkFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  auto networks = client::ListAllNetworks(**connection);
  if (!networks.ok()) return Report(networks.status());
  return PrintListing(ListNetworks(*networks, absl::Now()), flags.output);
}

int Inspect(Context& context, const NetworkFlags& flags) {
  if (absl::Status status = CheckFormat(flags.output); !status.ok()) return Report(status);
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  std::vector<v1::Network> found;
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::GetNetworkRequest request;
    request.set_name(name);
    auto response = (*connection)->GetNetwork(request);
    if (response.ok()) {
      found.push_back(response->network());
    } else {
      exit_status = Report(response.status());
    }
  }
  const bool single = flags.names.size() == 1;
  if (single && found.empty()) return exit_status;
  Listing listing = ListNetworks(found, absl::Now());
  listing.single = single;
  const int printed = PrintListing(std::move(listing), flags.output);
  return printed != 0 ? printed : exit_status;
}

absl::StatusOr<v1::Network> ToNetwork(const NetworkFlags& flags) {
  v1::Network network;
  network.set_name(flags.name);
  v1::NetworkSpec* spec = network.mutable_spec();
  spec->set_subnet(flags.subnet);
  spec->set_gateway(flags.gateway);
  spec->set_ipv6_subnet(flags.ipv6_subnet);
  spec->set_host_bridge(flags.host_bridge);
  spec->set_internal(flags.internal);
  spec->set_isolated(flags.isolated);
  int mtu = 0;
  if (!flags.mtu.empty() && (!absl::SimpleAtoi(flags.mtu, &mtu) || mtu <= 0)) {
    return Error(absl::StatusCode::kInvalidArgument, "BAD_MTU",
                 absl::StrCat("--mtu: \"", flags.mtu, "\" is no number of bytes"),
                 "write e.g. --mtu 1500");
  }
  spec->set_mtu(mtu);
  for (const std::string& label : flags.labels) {
    VX_RETURN_IF_ERROR(AddLabel(label, network.mutable_labels()));
  }
  return network;
}

int Create(Context& context, const NetworkFlags& flags) {
  auto network = ToNetwork(flags);
  if (!network.ok()) return Report(network.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::CreateNetworkRequest request;
  *request.mutable_network() = *std::move(network);
  auto response = (*connection)->CreateNetwork(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), flags.no_wait, flags.name);
}

int Rm(Context& context, const NetworkFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  int exit_status = 0;
  for (const std::string& name : flags.names) {
    v1::DeleteNetworkRequest request;
    request.set_name(name);
    auto response = (*connection)->DeleteNetwork(request);
    const int status = response.ok() ? Conclude(context, response->operation(), flags.no_wait, name)
                                     : Report(response.status());
    if (status != 0) exit_status = status;
  }
  return exit_status;
}

struct MemberFlags {
  std::string network;
  std::string workload;
  std::string address;
  bool no_wait = false;
};

int ConnectMember(Context& context, const MemberFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::ConnectNetworkRequest request;
  request.set_network(flags.network);
  request.set_workload(flags.workload);
  request.set_address(flags.address);
  auto response = (*connection)->ConnectNetwork(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), flags.no_wait, flags.workload);
}

int DisconnectMember(Context& context, const MemberFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::DisconnectNetworkRequest request;
  request.set_network(flags.network);
  request.set_workload(flags.workload);
  auto response = (*connection)->DisconnectNetwork(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), flags.no_wait, flags.workload);
}

std::shared_ptr<MemberFlags> DeclareMember(Arguments& arguments) {
  auto flags = std::make_shared<MemberFlags>();
  arguments.Word("NETWORK", &flags->network, "The network");
  arguments.Word("NAME", &flags->workload, "The workload: name, uid or beginning of a uid");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  return flags;
}

Action DeclareNetworkConnect(Arguments& arguments) {
  auto flags = DeclareMember(arguments);
  arguments.Option("--ip", &flags->address, "ADDRESS", "The one that it is to have there");
  arguments.Example("vxctl network connect lab web --ip 10.20.0.7");
  return [flags](Context& context) { return ConnectMember(context, *flags); };
}

Action DeclareNetworkDisconnect(Arguments& arguments) {
  auto flags = DeclareMember(arguments);
  arguments.Example("vxctl network disconnect lab web");
  return [flags](Context& context) { return DisconnectMember(context, *flags); };
}

Action DeclareNetworkLs(Arguments& arguments) {
  auto flags = std::make_shared<NetworkFlags>();
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl network ls");
  return [flags](Context& context) { return Ls(context, *flags); };
}

Action DeclareNetworkInspect(Arguments& arguments) {
  auto flags = std::make_shared<NetworkFlags>();
  flags->output.format = "json";
  arguments.Words("NETWORK", &flags->names, "Names of networks", true);
  DeclareListOutput(arguments, &flags->output);
  arguments.Example("vxctl network inspect default -o yaml");
  return [flags](Context& context) { return Inspect(context, *flags); };
}

Action DeclareNetworkCreate(Arguments& arguments) {
  auto flags = std::make_shared<NetworkFlags>();
  arguments.Word("NAME", &flags->name, "Its name");
  arguments.Option("--subnet", &flags->subnet, "PREFIX", "IPv4; a free /24 when left out");
  arguments.Option("--gateway", &flags->gateway, "ADDRESS", "The host's address in it");
  arguments.Option("--ipv6-subnet", &flags->ipv6_subnet, "PREFIX",
                   "A /64, or none; a unique local one when left out");
  arguments.Option("--host-bridge", &flags->host_bridge, "LINK",
                   "A bridge that the host has, left as it is: addresses come from who serves it");
  arguments.Option("--mtu", &flags->mtu, "BYTES", "Of a frame's payload");
  arguments.Flag("--internal", &flags->internal, "Without a way out");
  arguments.Flag("--isolated", &flags->isolated, "Its workloads don't reach one another");
  arguments.List("-l,--label", &flags->labels, "K=V", "A mark of your own");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl network create lab --subnet 10.20.0.0/24");
  return [flags](Context& context) { return Create(context, *flags); };
}

Action DeclareNetworkRm(Arguments& arguments) {
  auto flags = std::make_shared<NetworkFlags>();
  arguments.Words("NETWORK", &flags->names, "Names of networks", true);
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl network rm lab");
  return [flags](Context& context) { return Rm(context, *flags); };
}

}  // namespace

Action DeclareNetwork(Arguments& arguments) {
  arguments.Verb("create", "Make a network", DeclareNetworkCreate);
  arguments.Verb("ls", "The networks of this host", DeclareNetworkLs);
  arguments.Verb("inspect", "All about networks", DeclareNetworkInspect);
  arguments.Verb("rm", "Remove networks", DeclareNetworkRm);
  arguments.Verb("connect", "Put a workload on a network", DeclareNetworkConnect);
  arguments.Verb("disconnect", "Take a workload off a network", DeclareNetworkDisconnect);
  arguments.Example("vxctl network ls");
  return nullptr;
}

}  // namespace vx::cli
