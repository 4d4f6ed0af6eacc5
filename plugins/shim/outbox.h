// What is on its way to the agent: the config, then signals and input. Never blocks: a guest
// that doesn't read must not stop its shim.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plugins/shim/protocol.h"

namespace vx::shim {

class Outbox {
 public:
  // Sends kConfigFile, from its beginning. False when it can't be read.
  bool PutConfig();
  // One packet of input at a time: only when nothing is pending.
  void PutInput(InputType type, const char* data, size_t size);
  // False when too many wait already.
  bool PutSignal(int32_t signal);

  bool pending() const { return frame_left_ > 0 || config_left_ > 0 || signals_ > 0; }
  // Sends what the socket takes; false when the connection is broken.
  bool Flush(int socket);
  // Drops all that waits.
  void Clear();

 private:
  static constexpr int kMaxSignals = 8;

  void BeginFrame(FrameType type, const void* body, uint32_t kept, uint32_t length);
  void TakeSignal();
  long SendFrame(int socket);
  long SendConfig(int socket);

  char frame_[sizeof(FrameHeader) + sizeof(InputHeader) + kMaxInput] = {};
  size_t frame_size_ = 0;
  size_t frame_left_ = 0;
  int config_fd_ = -1;
  size_t config_size_ = 0;
  size_t config_left_ = 0;
  int32_t waiting_[kMaxSignals] = {};
  int signals_ = 0;
};

}  // namespace vx::shim
