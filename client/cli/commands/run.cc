#include <memory>

#include "client/cli/changes.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/foreground.h"
#include "client/cli/own_terminal.h"
#include "client/cli/pulls.h"
#include "client/cli/spec_flags.h"

namespace vx::cli {
namespace {

struct RunFlags {
  SpecFlags spec;
  PullFlags pull;
  bool detach = false;
  bool no_wait = false;
  std::string detach_keys = kDetachKeys;
};

int RunDetached(Context& context, v1::Workload workload, const PullFlags& pull, bool no_wait) {
  v1::CreateWorkloadRequest request;
  *request.mutable_workload() = std::move(workload);
  request.set_start(true);
  auto response = CreateWithImage(context, request, pull);
  if (!response.ok()) return Report(response.status());
  if (no_wait) return Print(response->operation().id() + "\n");
  absl::Status status = Await(context, response->operation());
  if (status.ok()) return Print(response->workload().name() + "\n");
  Report(status);
  return StartExitStatus(status);
}

int Run(Context& context, const RunFlags& flags) {
  absl::StatusOr<v1::Workload> workload = ToWorkload(flags.spec);
  if (!workload.ok()) return Report(workload.status());
  if (absl::Status status = CheckPull(flags.pull); !status.ok()) return Report(status);
  if (flags.detach) return RunDetached(context, *std::move(workload), flags.pull, flags.no_wait);
  if (flags.no_wait) return Report(UsageError("--no-wait goes with -d only"));
  Attachment attachment;
  attachment.stdin = workload->spec().stdin();
  attachment.tty = workload->spec().tty();
  if (attachment.tty && attachment.stdin && !OnTerminal()) {
    return Report(UsageError("-i -t need a terminal, and there is none",
                             "leave -t out to pass on a pipe or a file"));
  }
  if (attachment.tty) {
    absl::StatusOr<DetachKeys> keys = DetachKeys::Parse(flags.detach_keys);
    if (!keys.ok()) return Report(keys.status());
    attachment.keys = *keys;
  }
  return RunForeground(context, *workload, flags.pull, attachment);
}

Action Declare(Arguments& arguments, bool detach, const char* example) {
  auto flags = std::make_shared<RunFlags>();
  flags->detach = detach;
  DeclareSpec(arguments, &flags->spec);
  DeclarePull(arguments, &flags->pull);
  arguments.Flag("-d,--detach", &flags->detach, "Print its name once it runs");
  arguments.Option("--detach-keys", &flags->detach_keys, "KEYS",
                   "With -it: what leaves it running; ctrl-p,ctrl-q when left out");
  arguments.Flag("--no-wait", &flags->no_wait, "With -d: print the operation's id at once");
  arguments.Example(example);
  return [flags](Context& context) { return Run(context, *flags); };
}

}  // namespace

Action DeclareRun(Arguments& arguments) {
  return Declare(arguments, false,
                 "vxctl run --rm --kind=container busybox -- sh -c 'echo hi; exit 7'\n"
                 "vxctl run -d --kind=vm --name web -m 256M busybox -- sleep 1000");
}

Action DeclareLaunch(Arguments& arguments) {
  return Declare(arguments, true, "vxctl launch --kind=container --name web busybox -- sleep 1000");
}

}  // namespace vx::cli
