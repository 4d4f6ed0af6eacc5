// A container's shim: starts the runtime, adopts init, keeps its output and says
// how it ended.
#pragma once

#include <sys/types.h>

#include "plugins/shim/command_input.h"
#include "plugins/shim/control_server.h"
#include "plugins/shim/exit_file.h"
#include "plugins/shim/log_writer.h"
#include "plugins/shim/stdio_options.h"
#include "plugins/shim/protocol.h"

namespace vx::shim {

class ContainerMode final : public ControlHandler {
 public:
  ContainerMode(LogWriter& log, const StdioOptions& stdio)
      : log_(log), stdio_(stdio), control_(*this) {}

  // Runs `runtime` (a command line, null-terminated), reports on kReadyFd, and
  // returns the program's exit status once the run has ended.
  int Run(char** runtime);

 private:
  bool OnRequest(const ControlRequest& request, ControlReply& reply) override;
  bool TakesInput() const override { return !input_.pending(); }
  void OnInput(InputType type, const char* data, size_t size) override;

  // False when there is no container; what was wrong has been reported then.
  bool Create(char** runtime);
  // The ends of both sides of what connects us to the runtime and the command.
  struct Ends;
  bool OpenEnds(Ends& ends);
  pid_t SpawnRuntime(char** runtime, const Ends& ends);
  bool FinishCreate(pid_t runtime, const Ends& ends);
  bool TakeTerminal(int console);

  void Loop();
  void Forward(int stream);
  void OnExecStatus();
  void Reap();
  void AnswerStarts(int error);
  // True when `reply` can be sent at once.
  bool LetGo(ControlReply& reply);
  bool done() const { return state_ == RunState::kExited && out_ < 0 && err_ < 0; }

  LogWriter& log_;
  const StdioOptions stdio_;
  ControlServer control_;
  RunState state_ = RunState::kStarting;
  bool let_go_ = false;
  pid_t init_ = 0;
  int out_ = -1;
  int err_ = -1;
  int exec_ = -1;
  CommandInput input_;
  int children_ = -1;  // signalfd of SIGCHLD
  ExitFile exit_;
};

}  // namespace vx::shim
