#include <google/protobuf/util/time_util.h>

#include <memory>
#include <optional>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/lib/units.h"
#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct RestartFlags {
  Selection selection;
  std::optional<std::string> grace;
};

int Restart(Context& context, const RestartFlags& flags) {
  v1::RestartWorkloadRequest request;
  if (flags.grace.has_value()) {
    absl::StatusOr<absl::Duration> grace = client::ParseDuration(*flags.grace);
    if (!grace.ok()) return Report(Misuse(Annotate(grace.status(), "--time")));
    *request.mutable_grace() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(*grace));
  }
  return ChangeEach(context, flags.selection, "restart",
                    [&](client::Connection& connection,
                        const std::string& name) -> absl::StatusOr<v1::Operation> {
                      request.set_name(name);
                      VX_ASSIGN_OR_RETURN(auto response, connection.RestartWorkload(request));
                      return response.operation();
                    });
}

}  // namespace

Action DeclareRestart(Arguments& arguments) {
  auto flags = std::make_shared<RestartFlags>();
  DeclareSelection(arguments, &flags->selection);
  arguments.Option("-t,--time", &flags->grace, "TIME",
                   "How long it may take to end by itself before it is killed");
  arguments.Example("vxctl restart web");
  return [flags](Context& context) { return Restart(context, *flags); };
}

}  // namespace vx::cli
