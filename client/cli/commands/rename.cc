#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"

namespace vx::cli {
namespace {

struct RenameFlags {
  std::string name;
  std::string new_name;
  bool no_wait = false;
};

int Rename(Context& context, const RenameFlags& flags) {
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::RenameWorkloadRequest request;
  request.set_name(flags.name);
  request.set_new_name(flags.new_name);
  auto response = (*connection)->RenameWorkload(request);
  if (!response.ok()) return Report(response.status());
  return Conclude(context, response->operation(), flags.no_wait, flags.new_name);
}

}  // namespace

Action DeclareRename(Arguments& arguments) {
  auto flags = std::make_shared<RenameFlags>();
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  arguments.Word("NEW", &flags->new_name, "The name that it is to have");
  arguments.Flag("--no-wait", &flags->no_wait, "Print the operation's id instead of waiting");
  arguments.Example("vxctl rename web web-old");
  return [flags](Context& context) { return Rename(context, *flags); };
}

}  // namespace vx::cli
