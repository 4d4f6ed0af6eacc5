// `vxctl run` in the foreground: the workload as if it were a child of the shell.
#pragma once

#include "client/cli/attached_input.h"
#include "client/cli/context.h"
#include "client/cli/pulls.h"
#include "vx/v1/workload.pb.h"

namespace vx::cli {

// Makes and starts the workload with one call, once its image is there, so that nothing half-made stays when
// this process is killed, and passes on what it writes, byte for byte, until it
// ends. Returns its exit status; after an error, which is reported, 1, or 127 and 126
// where the command could not be started.
//
// SIGINT and SIGTERM are sent on to the workload, or cancel its making; a second one
// leaves it running.
//
// When nobody reads its output any more (EPIPE) it ends with 141, as a command of the
// shell does: what is removed at its exit is stopped, with a second's grace; else it is
// left running, and that is said.
//
// With an attachment its input comes from here; the detach keys leave it running, with
// exit status 0.
int RunForeground(Context& context, const v1::Workload& workload, const PullFlags& pull,
                  const Attachment& attachment = {});

// The same for a workload that runs already, from now on; or for its machine's console.
int AttachForeground(Context& context, const v1::Workload& workload, const Attachment& attachment);

// As Docker's.
inline constexpr char kDetachKeys[] = "ctrl-p,ctrl-q";

// 127 or 126 where a start failed for the command's sake, else as ExitStatus.
int StartExitStatus(const absl::Status& status);

}  // namespace vx::cli
