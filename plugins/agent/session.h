// One stream of the agent port with a process behind it: a command of the host's, or
// one of our own workers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/agent/command.h"
#include "plugins/agent/input.h"
#include "plugins/agent/loop.h"
#include "plugins/agent/wire.h"

namespace vx::agent {

// The way out, shared by all sessions.
class FrameSink {
 public:
  virtual void Send(WireType type, uint32_t stream, uint8_t channel, std::string_view body) = 0;
  // Whether output may be sent: else it is left where it is until Resume.
  virtual bool HasRoom() const = 0;

 protected:
  ~FrameSink() = default;
};

// What the host takes of output, in bytes.
struct OutputLimits {
  uint32_t max_data = kMaxData;  // at most kMaxOutput
  uint32_t room = kRoom;         // of each channel, at first
};

class Session {
 public:
  // Takes the command's descriptors.
  Session(Loop& loop, FrameSink& sink, uint32_t stream, const Command& command, bool tty,
          const OutputLimits& limits);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  pid_t pid() const { return pid_; }

  // What the host sends. False: it broke the protocol.
  bool OnFrame(const WireHeader& header, std::string_view body);
  // The sink has room again.
  void Resume();
  // Its process has ended, with a status of waitpid's.
  void OnEnded(int status);
  // Kills the process and what is in its process group; nothing but a Reset is sent any
  // more.
  void Kill();

  // All was sent, its end too.
  bool finished() const { return finished_; }

 private:
  struct Output {
    int fd = -1;
    uint32_t room = 0;
  };

  void Watch(uint8_t channel);
  void Arm(const Output& output);
  void Pump(uint8_t channel);
  bool ReadOnce(uint8_t channel);
  void CloseOutput(uint8_t channel);
  void OnControl(std::string_view body);
  void FinishIfDrained();

  Loop& loop_;
  FrameSink& sink_;
  const uint32_t stream_;
  const pid_t pid_;
  const uint32_t max_data_;
  Input input_;
  Output outputs_[kChannels];  // kStdin's is not used
  int status_ = 0;
  bool ended_ = false;
  bool killed_ = false;
  bool finished_ = false;
};

}  // namespace vx::agent
