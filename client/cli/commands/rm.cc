#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct RmFlags {
  Selection selection;
  bool force = false;
};

int Rm(Context& context, const RmFlags& flags) {
  v1::DeleteWorkloadRequest request;
  request.set_force(flags.force);
  return ChangeEach(context, flags.selection, "delete",
                    [&](client::Connection& connection,
                        const std::string& name) -> absl::StatusOr<v1::Operation> {
                      request.set_name(name);
                      VX_ASSIGN_OR_RETURN(auto response, connection.DeleteWorkload(request));
                      return response.operation();
                    });
}

}  // namespace

Action DeclareRm(Arguments& arguments) {
  auto flags = std::make_shared<RmFlags>();
  DeclareSelection(arguments, &flags->selection);
  arguments.Flag("-f,--force", &flags->force, "Kill it first when it runs");
  arguments.Example("vxctl rm web\nvxctl rm -f --all");
  return [flags](Context& context) { return Rm(context, *flags); };
}

}  // namespace vx::cli
