// vx-runtime, an OCI runtime: makes a container from a bundle, and is gone.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "daemon/base/error.h"
#include "plugins/container/runtime/commands.h"
#include "plugins/container/runtime/create.h"
#include "plugins/container/runtime/exec.h"
#include "plugins/shim/protocol.h"

namespace {

using vx::container::CreateOptions;
using vx::container::ExecOptions;

constexpr char kUsage[] =
    "usage: vx-runtime [--root DIR] COMMAND ...\n"
    "\n"
    "  create --bundle DIR [--pid-file FILE] [--console-socket PATH] [--stages FILE] ID\n"
    "                                             make a container; its init waits. FILE: how\n"
    "                                             long each stage took, in microseconds\n"
    "  start ID                                   run its command\n"
    "  state ID                                   print what it is, as JSON\n"
    "  exec [--tty] [--detach] [--user U[:G]] [--cwd DIR] [--env K=V] [--process FILE]\n"
    "       [--console-socket PATH] [--pid-file FILE] ID COMMAND ...\n"
    "                                             run a further command in it\n"
    "  kill ID [SIGNAL]                           send a signal (default TERM)\n"
    "  delete [--force] ID                        remove it; --force ends it first\n"
    "  features                                   print what this runtime can do\n"
    "\n"
    "The default of --root is /run/vx-runtime. OCI runtime-spec 1.1.\n";

struct CommandLine {
  CreateOptions create;
  ExecOptions exec;
  std::string command;
  std::vector<std::string> operands;
  bool force = false;
  bool help = false;
};

void Print(int fd, absl::string_view text) {
  if (write(fd, text.data(), text.size()) < 0) exit(1);
}

[[noreturn]] void Misuse(const std::string& what) {
  Print(2, absl::StrCat("vx-runtime: ", what, "\n\n", kUsage));
  exit(2);
}

int ToFd(const std::string& value) {
  int fd = -1;
  if (!absl::SimpleAtoi(value, &fd) || fd < 0)
    Misuse(absl::StrCat("\"", value, "\" is no descriptor"));
  // Not the command's; and the end-of-file is to say that it runs.
  if (fd > 2) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

bool TakeFlag(CommandLine& line, const std::string& flag) {
  if (flag == "--force" || flag == "-f")
    line.force = true;
  else if (flag == "--help" || flag == "-h")
    line.help = true;
  else if (flag == "--die-with-parent")
    line.create.die_with_parent = true;
  else if (flag == "--keep-exec-fd")
    line.create.keep_exec_fd = true;
  else if (flag == "--tty" || flag == "-t")
    line.exec.tty = true;
  else if (flag == "--detach" || flag == "-d")
    line.exec.detach = true;
  else
    return false;
  return true;
}

bool TakeExecOption(ExecOptions& exec, const std::string& option, const std::string& value) {
  if (option == "--process" || option == "-p")
    exec.process_file = value;
  else if (option == "--user" || option == "-u")
    exec.user = value;
  else if (option == "--cwd")
    exec.cwd = value;
  else if (option == "--env" || option == "-e")
    exec.env.push_back(value);
  else if (option == "--life-fd")
    exec.life_fd = ToFd(value);
  else
    return false;
  return true;
}

bool TakeOption(CommandLine& line, const std::string& option, const std::string& value) {
  if (option == "--root")
    line.create.root = value;
  else if (option == "--bundle" || option == "-b")
    line.create.bundle = value;
  else if (option == "--pid-file")
    line.create.pid_file = value;
  else if (option == "--stages")
    line.create.stages_file = value;
  else if (option == "--exec-fd")
    line.create.exec_fd = ToFd(value);
  else if (option == "--error-fd")
    line.create.error_fd = ToFd(value);
  else if (option == "--console-fd")
    line.create.console_fd = ToFd(value);
  else if (option == "--console-socket")
    line.create.console_socket = value;
  else
    return TakeExecOption(line.exec, option, value);
  return true;
}

// Behind the container's id stands exec's command, as it is.
bool IsOperand(const CommandLine& line, const std::string& arg) {
  const bool command = line.command == "exec" && !line.operands.empty();
  return command || arg.size() < 2 || arg[0] != '-';
}

// Options may stand anywhere, as "--option value" or "--option=value".
CommandLine Parse(const std::vector<std::string>& args) {
  CommandLine line;
  line.create.root = "/run/vx-runtime";
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& arg = args[i];
    if (IsOperand(line, arg)) {
      if (line.command.empty())
        line.command = arg;
      else
        line.operands.push_back(arg);
      continue;
    }
    if (TakeFlag(line, arg)) continue;
    const size_t equals = arg.find('=');
    const bool inside = equals != std::string::npos;
    if (!inside && i + 1 == args.size()) Misuse(absl::StrCat("what of ", arg, "?"));
    const std::string value = inside ? arg.substr(equals + 1) : args[i + 1];
    if (!TakeOption(line, arg.substr(0, equals), value))
      Misuse(absl::StrCat("unknown option ", arg));
    if (!inside) ++i;
  }
  return line;
}

const std::string& Id(const CommandLine& line) {
  if (line.operands.empty()) Misuse(absl::StrCat(line.command, " needs a container id"));
  return line.operands[0];
}

absl::Status RunCreate(CommandLine& line) {
  line.create.id = Id(line);
  if (line.create.bundle.empty()) line.create.bundle = ".";
  char* absolute = realpath(line.create.bundle.c_str(), nullptr);
  if (absolute == nullptr)
    return vx::ErrnoError(errno, absl::StrCat("bundle ", line.create.bundle));
  line.create.bundle = absolute;
  free(absolute);
  return vx::container::Create(line.create);
}

// Ends the program with the command's exit status when it ran.
absl::Status RunExec(CommandLine& line) {
  ExecOptions& exec = line.exec;
  exec.root = line.create.root;
  exec.id = Id(line);
  exec.args.assign(line.operands.begin() + 1, line.operands.end());
  exec.pid_file = line.create.pid_file;
  exec.exec_fd = line.create.exec_fd;
  exec.error_fd = line.create.error_fd;
  exec.console_fd = line.create.console_fd;
  exec.console_socket = line.create.console_socket;
  if (exec.args.empty() && exec.process_file.empty()) Misuse("exec needs a command");
  absl::StatusOr<int> code = vx::container::Exec(exec);
  if (code.ok()) _exit(*code);
  if (exec.exec_fd >= 0) {
    const int32_t value = vx::shim::kErrnoSetUp;
    Print(exec.exec_fd, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  return code.status();
}

absl::Status Run(CommandLine& line) {
  const std::string& root = line.create.root;
  if (line.command == "create") return RunCreate(line);
  if (line.command == "exec") return RunExec(line);
  if (line.command == "start") return vx::container::Start(root, Id(line));
  if (line.command == "delete") return vx::container::Delete(root, Id(line), line.force);
  if (line.command == "kill") {
    const std::string signal = line.operands.size() > 1 ? line.operands[1] : "TERM";
    return vx::container::Kill(root, Id(line), signal);
  }
  if (line.command == "state") {
    auto state = vx::container::State(root, Id(line));
    if (state.ok()) Print(1, *state);
    return state.status();
  }
  if (line.command == "features") {
    Print(1, vx::container::Features());
    return absl::OkStatus();
  }
  Misuse(line.command.empty() ? "what to do?" : absl::StrCat("unknown command ", line.command));
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line = Parse(std::vector<std::string>(argv + 1, argv + argc));
  if (line.help) {
    Print(1, kUsage);
    return 0;
  }
  const absl::Status status = Run(line);
  if (status.ok()) return 0;
  std::string text = absl::StrCat(status.message());
  const std::string hint = vx::ErrorHint(status);
  if (!hint.empty()) absl::StrAppend(&text, " (", hint, ")");
  Print(line.create.error_fd, absl::StrCat(text, "\n"));
  return 1;
}
