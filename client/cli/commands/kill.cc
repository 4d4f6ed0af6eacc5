#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "daemon/base/signals.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct KillFlags {
  Selection selection;
  std::string signal = "KILL";
};

int Kill(Context& context, const KillFlags& flags) {
  if (!ParseSignal(flags.signal).has_value()) {
    return Report(UsageError("--signal: there is no signal \"" + flags.signal + "\"",
                             "write a name or a number: TERM, SIGHUP, 9"));
  }
  v1::KillWorkloadRequest request;
  request.set_signal(flags.signal);
  return ChangeEach(context, flags.selection, "kill",
                    [&](client::Connection& connection,
                        const std::string& name) -> absl::StatusOr<v1::Operation> {
                      request.set_name(name);
                      VX_ASSIGN_OR_RETURN(auto response, connection.KillWorkload(request));
                      return response.operation();
                    });
}

}  // namespace

Action DeclareKill(Arguments& arguments) {
  auto flags = std::make_shared<KillFlags>();
  DeclareSelection(arguments, &flags->selection);
  arguments.Option("-s,--signal", &flags->signal, "SIGNAL", "Name or number; KILL when left out");
  arguments.Example("vxctl kill -s HUP web");
  return [flags](Context& context) { return Kill(context, *flags); };
}

}  // namespace vx::cli
