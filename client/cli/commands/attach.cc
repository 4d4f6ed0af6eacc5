#include <unistd.h>

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/foreground.h"
#include "client/cli/own_terminal.h"
#include "client/cli/render/terminal.h"
#include "daemon/base/error.h"

namespace vx::cli {
namespace {

struct AttachFlags {
  std::string name;
  // Of a VM: its serial console.
  bool console = false;
  std::string keys;
  bool no_stdin = false;
};

absl::Status NotRunning(const v1::Workload& workload) {
  return Error(absl::StatusCode::kFailedPrecondition, "NOT_RUNNING",
               absl::StrCat("\"", workload.name(), "\" is not running"),
               absl::StrCat("vxctl logs ", workload.name(), " shows what it wrote"));
}

bool Runs(const v1::Workload& workload) {
  const v1::State state = workload.status().state();
  return state == v1::STATE_RUNNING || state == v1::STATE_PAUSED || state == v1::STATE_STARTING ||
         state == v1::STATE_STOPPING;
}

// A machine's console is a terminal with somebody on it, and knows no signals.
Attachment MakeAttachment(const v1::Workload& workload, const AttachFlags& flags,
                          const DetachKeys& keys, bool console) {
  Attachment attachment;
  attachment.console = console;
  attachment.stdin = (console || workload.spec().stdin()) && !flags.no_stdin;
  attachment.tty = (console ? attachment.stdin : workload.spec().tty()) && OnTerminal();
  attachment.keys = keys;
  attachment.signals = !console && !flags.no_stdin;
  return attachment;
}

// A console may be silent until a key is pressed.
void Welcome(const v1::Workload& workload, const AttachFlags& flags) {
  if (!ErrorsOnTerminal() || !OnTerminal() || flags.no_stdin) return;
  WriteAll(STDERR_FILENO,
           absl::StrCat("vxctl: the console of ", workload.name(), "; ", flags.keys, " leaves\n"))
      .IgnoreError();
}

int Attach(Context& context, const AttachFlags& flags) {
  absl::StatusOr<DetachKeys> keys = DetachKeys::Parse(flags.keys);
  if (!keys.ok()) return Report(keys.status());
  auto connection = context.Connect();
  if (!connection.ok()) return Report(connection.status());
  v1::GetWorkloadRequest request;
  request.set_name(flags.name);
  auto response = (*connection)->GetWorkload(request);
  if (!response.ok()) return Report(response.status());
  const v1::Workload& workload = response->workload();
  if (!Runs(workload)) return Report(NotRunning(workload));
  const bool console = flags.console && workload.kind() == v1::KIND_VM;
  if (console) Welcome(workload, flags);
  return AttachForeground(context, workload, MakeAttachment(workload, flags, *keys, console));
}

Action Declare(Arguments& arguments, AttachFlags defaults, const char* example) {
  auto flags = std::make_shared<AttachFlags>(std::move(defaults));
  const std::string keys = flags->keys;
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  arguments.Option("--detach-keys", &flags->keys, "KEYS",
                   absl::StrCat("What leaves it running; ", keys, " when left out"));
  arguments.Flag("--no-stdin", &flags->no_stdin, "Only show what it writes");
  arguments.Example(example);
  return [flags](Context& context) { return Attach(context, *flags); };
}

}  // namespace

Action DeclareAttach(Arguments& arguments) {
  return Declare(arguments, {.keys = kDetachKeys}, "vxctl attach web\nvxctl attach --no-stdin web");
}

Action DeclareConsole(Arguments& arguments) {
  return Declare(arguments, {.console = true, .keys = "ctrl-]"},
                 "vxctl console db\nvxctl console --no-stdin db");
}

}  // namespace vx::cli
