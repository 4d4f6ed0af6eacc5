#include "client/cli/verbs.h"

#include <memory>
#include <utility>

#include "client/cli/commands/commands.h"
#include "client/cli/context.h"
#include "client/cli/errors.h"
#include "client/cli/parse.h"
#include "client/cli/render/progress.h"

namespace vx::cli {
namespace {

// Known words of the vocabulary whose verb is still to come.
const std::vector<std::string> kLater = {
    "apply",   "adopt", "advise",  "clone",        "commit", "compare", "convert", "cp",
    "diff",    "down",  "export",  "history",      "host",   "import",  "ps-in",   "profile",
    "prune",   "release", "snapshot", "token",     "top",    "undo"};

}  // namespace

const std::vector<Verb>& Verbs() {
  static const auto* verbs = new std::vector<Verb>{
      {"create", {}, "Make a workload without starting it", DeclareCreate},
      {"run", {}, "Make a workload, start it and show its output", DeclareRun},
      {"launch", {}, "Make a workload and start it: run -d", DeclareLaunch},
      {"start", {}, "Start workloads", DeclareStart},
      {"stop", {}, "Ask workloads to end, and end them", DeclareStop},
      {"restart", {}, "Stop workloads and start them again", DeclareRestart},
      {"kill", {}, "Send workloads a signal", DeclareKill},
      {"pause", {}, "Freeze workloads", DeclarePause},
      {"resume", {}, "Let frozen workloads go on", DeclareResume},
      {"rm", {"delete"}, "Delete workloads", DeclareRm},
      {"update", {"set"}, "Change labels and limits of a workload", DeclareUpdate},
      {"rename", {}, "Give a workload another name", DeclareRename},
      {"ls", {"ps", "list"}, "List workloads", DeclareLs},
      {"inspect", {}, "All about workloads", DeclareInspect},
      {"wait", {}, "Wait until workloads stop, run or are healthy", DeclareWait},
      {"exec", {}, "Run a command inside a workload", DeclareExec},
      {"shell", {}, "Run the best shell there is inside a workload", DeclareShell},
      {"attach", {}, "Join the streams of a workload's command", DeclareAttach},
      {"console", {}, "The console of a workload: a VM's serial line", DeclareConsole},
      {"port-forward", {}, "Reach ports inside a workload from here", DeclarePortForward},
      {"logs", {}, "What a workload wrote", DeclareLogs},
      {"stats", {}, "What workloads use", DeclareStats},
      {"events", {}, "What happened", DeclareEvents},
      {"operation", {}, "The changes that were asked for", DeclareOperation},
      {"image", {}, "The images of this host", DeclareImage},
      {"login", {}, "Keep a user name and password for a registry", DeclareLogin},
      {"logout", {}, "Forget them", DeclareLogout},
      {"network", {}, "The networks of this host", DeclareNetwork},
      {"volume", {}, "Data that outlives workloads", DeclareVolume},
      {"info", {}, "Facts about the daemon, its host and what it can run", DeclareInfo},
      {"system", {}, "Back up and restore the inventory", DeclareSystem},
      {"doctor", {}, "Check the host and say what to do", DeclareDoctor},
      {"version", {}, "Versions of vxctl and vxd", DeclareVersion},
  };
  return *verbs;
}

int RunCommandLine(std::vector<std::string> words) {
  for (const std::string& word : words) {
    if (absl::Status status = CheckText(word); !status.ok()) return Report(status);
  }
  GlobalFlags flags;
  auto globals = [&](Arguments& arguments) {
    arguments.Option("--host", &flags.host, "HOST",
                     "Which vxd: unix:///PATH; else VX_HOST, else unix:///run/vx/vxd.sock");
    arguments.Option("--progress", &flags.progress, "MODE", "auto, plain, json or none");
  };
  Parsed parsed = ParseCommandLine(std::move(words), Verbs(), kLater, globals);
  if (!parsed.error.ok()) return Report(parsed.error);
  if (!parsed.help.empty()) return Print(parsed.help);
  if (absl::Status status = ParseProgress(flags.progress).status(); !status.ok()) {
    return Report(status);
  }
  // Not taken down: the process ends right after, and the end of gRPC's channel and
  // its threads would cost more than most calls.
  auto* context = new Context(flags);
  return parsed.action(*context);
}

}  // namespace vx::cli
