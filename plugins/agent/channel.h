// The agent's end of the output port: frames to and from vx-shim
// (plugins/shim/protocol.h), through QEMU.
//
// At most one frame of output waits to be written; whoever makes output waits until it
// is gone, so a slow host slows the command and nothing piles up.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "plugins/shim/protocol.h"

namespace vx::agent {

class Channel {
 public:
  // The longest output frame: a port takes 32 KiB in one go.
  static constexpr size_t kMaxOutput = 32 * 1024 - sizeof(shim::FrameHeader);

  // Takes the port's descriptor.
  explicit Channel(int fd) : fd_(fd) {}
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int fd() const { return fd_; }

  // Says hello and waits for the config, which it returns undecoded. Empty: the
  // other end went away or broke the protocol.
  std::string Introduce();

  // Something waits to be written: send no output, wait for room and Flush.
  bool busy() const { return sent_ < out_.size(); }
  // Begins to write a frame, behind what waits.
  void Send(shim::FrameType type, const void* data, size_t size);
  // Goes on writing. False: the other end is gone.
  bool Flush();

  // Told of frames of kSignal and kInput.
  using Handler = std::function<void(shim::FrameType type, std::string_view body)>;
  // Reads what is there and hands out what is whole. False: the other end is gone or
  // broke the protocol.
  bool Receive(const Handler& handler);

  // Writes the last frame, and returns when the host has read all and hung up.
  void SendLast(shim::FrameType type, const void* data, size_t size);

 private:
  bool TakeFrame(const Handler& handler, bool& broken);
  bool ReadFully(void* data, size_t size);
  bool WaitWritable();

  int fd_;
  std::string out_;
  size_t sent_ = 0;
  std::string in_;
};

// Waits until the port called `name` is there, within `timeout_ms`, and opens it;
// -1 when it did not come.
int OpenPort(const char* name, int timeout_ms);

}  // namespace vx::agent
