// Runs the command to its end: forwards what it writes and the signals that the
// host asks for, and reaps every process of the guest.
#pragma once

#include <sys/types.h>

#include "plugins/agent/boot_config.h"
#include "plugins/agent/channel.h"
#include "plugins/agent/command.h"

namespace vx::agent {

class Supervisor {
 public:
  // Borrows the channel.
  explicit Supervisor(Channel& channel);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Returns when the command and all else that ran is gone and all output is
  // sent; how the command ended.
  shim::ExitFrame Run(const BootConfig& config);

 private:
  bool Finished() const;
  void Step();
  void Forward(int& fd, shim::FrameType type);
  void ReadSignals();
  void Reap();
  void Signal(int signal);
  void CommandEnded(int status);
  void SwitchedOff();
  void HostGone();

  Channel& channel_;
  int signals_;
  Command command_;
  bool ended_ = false;
  bool host_gone_ = false;
  bool killed_by_host_ = false;
  shim::ExitFrame exit_ = {};
};

}  // namespace vx::agent
