#include <memory>

#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/port_forwarder.h"

namespace vx::cli {
namespace {

struct PortForwardFlags {
  std::string name;
  std::vector<std::string> ports;
  std::string address = "127.0.0.1";
};

int PortForward(Context& context, const PortForwardFlags& flags) {
  std::vector<Forwarded> ports;
  for (const std::string& text : flags.ports) {
    absl::StatusOr<Forwarded> port = ParseForwarded(text);
    if (!port.ok()) return Report(port.status());
    ports.push_back(*port);
  }
  return ForwardPorts(context, flags.name, flags.address, ports);
}

}  // namespace

Action DeclarePortForward(Arguments& arguments) {
  auto flags = std::make_shared<PortForwardFlags>();
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  arguments.Words("LOCAL:INSIDE", &flags->ports, "TCP ports, here and inside; :80: any here", true);
  arguments.Option("--address", &flags->address, "ADDRESS", "Where to listen; 127.0.0.1");
  arguments.Example("vxctl port-forward web 8080:80");
  return [flags](Context& context) { return PortForward(context, *flags); };
}

}  // namespace vx::cli
