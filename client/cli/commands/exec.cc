#include <memory>

#include "client/cli/commands/commands.h"
#include "client/cli/errors.h"
#include "client/cli/exec_session.h"
#include "client/cli/own_terminal.h"
#include "client/cli/parse.h"
#include "daemon/base/status_macros.h"

namespace vx::cli {
namespace {

struct ExecFlags {
  std::string name;
  std::vector<std::string> words;  // without "--"
  std::vector<std::string> command;
  std::vector<std::string> env;
  std::vector<std::string> env_files;
  std::string user;
  std::string workdir;
  bool interactive = false;
  bool tty = false;
  bool detach = false;
};

absl::StatusOr<v1::ExecRequest::Start> ToStart(const ExecFlags& flags) {
  v1::ExecRequest::Start start;
  start.set_name(flags.name);
  for (const std::string& word : flags.words) start.add_command(word);
  for (const std::string& word : flags.command) start.add_command(word);
  for (const std::string& file : flags.env_files) {
    VX_RETURN_IF_ERROR(Misuse(AddEnvFile(file, start.mutable_env())));
  }
  for (const std::string& variable : flags.env) {
    VX_RETURN_IF_ERROR(Misuse(AddEnv(variable, start.mutable_env())));
  }
  start.set_user(flags.user);
  start.set_working_dir(flags.workdir);
  start.set_stdin(flags.interactive);
  start.set_tty(flags.tty);
  start.set_detach(flags.detach);
  if (flags.tty) *start.mutable_size() = OwnTerminalSize();
  return start;
}

int Exec(Context& context, const ExecFlags& flags) {
  if (flags.words.empty() && flags.command.empty()) {
    return Report(UsageError("what is to be run?", "put the command behind --: … -- ls /"));
  }
  if (flags.tty && flags.interactive && !OnTerminal()) {
    return Report(UsageError("-i -t need a terminal, and there is none",
                             "leave -t out to pass on a pipe or a file"));
  }
  absl::StatusOr<v1::ExecRequest::Start> start = ToStart(flags);
  return start.ok() ? RunExec(context, *std::move(start)) : Report(start.status());
}

// The first of these that the workload has.
constexpr char kBestShell[] =
    "for s in bash zsh ash; do p=$(command -v $s) && exec \"$p\"; done; exec sh";

int Shell(Context& context, const ExecFlags& flags) {
  ExecFlags shell = flags;
  shell.interactive = true;
  shell.tty = OnTerminal();
  shell.command = {"sh", "-c", kBestShell};
  return Exec(context, shell);
}

void DeclareWho(Arguments& arguments, ExecFlags* flags) {
  arguments.Word("NAME", &flags->name, "Name, uid or beginning of a uid");
  arguments.List("-e,--env", &flags->env, "K=V", "A variable; K alone takes it from here");
  arguments.List("--env-file", &flags->env_files, "FILE", "Variables, one a line");
  arguments.Option("-u,--user", &flags->user, "USER[:GROUP]", "As whom it runs");
  arguments.Option("-w,--workdir", &flags->workdir, "DIR", "Where it starts");
}

}  // namespace

Action DeclareExec(Arguments& arguments) {
  auto flags = std::make_shared<ExecFlags>();
  DeclareWho(arguments, flags.get());
  arguments.Words("COMMAND", &flags->words, "What to run, where it has no flags", false);
  arguments.Command(&flags->command);
  arguments.Flag("-i,--interactive", &flags->interactive, "Pass stdin on to it");
  arguments.Flag("-t,--tty", &flags->tty, "Give it a terminal");
  arguments.Flag("-d,--detach", &flags->detach, "Leave it to itself once it runs");
  arguments.Example(
      "vxctl exec web -- ps\nvxctl exec -it web -- sh\n"
      "vxctl exec -i -u daemon -w /tmp web -- tar x <files.tar");
  return [flags](Context& context) { return Exec(context, *flags); };
}

Action DeclareShell(Arguments& arguments) {
  auto flags = std::make_shared<ExecFlags>();
  DeclareWho(arguments, flags.get());
  arguments.Example("vxctl shell web");
  return [flags](Context& context) { return Shell(context, *flags); };
}

}  // namespace vx::cli
