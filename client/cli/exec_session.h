// `vxctl exec` in the foreground: a command inside as if it were a child of the shell.
#pragma once

#include "client/cli/context.h"
#include "vx/v1/workload_service.pb.h"

namespace vx::cli {

// Runs it with vxctl's own streams and returns its exit status; after an error, which
// is reported, 1, or 127 and 126 where the command could not be started. SIGINT and
// SIGTERM are sent on to the command; a second one ends it.
int RunExec(Context& context, v1::ExecRequest::Start start);

}  // namespace vx::cli
