// Runs the command to its end: forwards its streams and the signals that the host asks
// for, serves vxd meanwhile, and reaps every process of the guest.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/channel.h"
#include "plugins/agent/command.h"
#include "plugins/agent/input.h"
#include "plugins/agent/loop.h"
#include "plugins/agent/server.h"
#include "plugins/agent/uevents.h"

namespace vx::agent {

class Supervisor {
 public:
  // Borrows the channel. `born_nanos` is when the agent began, for the host's figures.
  Supervisor(Channel& channel, uint64_t born_nanos);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns when the command and all else that ran is gone and all output is
  // sent; how the command ended.
  shim::ExitFrame Run(const BootConfig& config);

 private:
  bool Start(const BootConfig& config);
  // Takes what came before there is a command; its terminal's size is of use at once.
  void TakeEarly(CommandSpec& spec);
  void WatchAll();
  bool Finished() const;
  void Rearm();
  void OnChannel(uint32_t events);
  void OnFrame(shim::FrameType type, std::string_view body);
  void OnInput(std::string_view body);
  void Forward(int& fd, shim::FrameType type);
  void CloseOutput(int& fd);
  void ReadSignals();
  void Reap();
  void Signal(int signal);
  void CommandEnded(int status);
  void EndEverything();
  void SwitchedOff();
  void HostGone();

  Channel& channel_;
  const uint64_t born_nanos_;
  int signals_;
  Loop loop_;
  Uevents devices_;
  // Frames that came before there was a command, in order.
  std::vector<std::pair<shim::FrameType, std::string>> early_;
  Command command_;
  std::unique_ptr<Input> input_;
  std::unique_ptr<Server> server_;
  bool ended_ = false;
  bool host_gone_ = false;
  bool killed_by_host_ = false;
  shim::ExitFrame exit_ = {};
};

}  // namespace vx::agent
