#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

absl::StatusOr<v1::Operation> Begin(client::Connection& connection, const std::string& name) {
  v1::StartWorkloadRequest request;
  request.set_name(name);
  VX_ASSIGN_OR_RETURN(auto response, connection.StartWorkload(request));
  return response.operation();
}

}  // namespace

Action DeclareStart(Arguments& arguments) {
  auto selection = std::make_shared<Selection>();
  DeclareSelection(arguments, selection.get());
  arguments.Example("vxctl start web");
  return [selection](Context& context) { return ChangeEach(context, *selection, "start", Begin); };
}

}  // namespace vx::cli
