// Takes the agent's frames (protocol.h) out of a stream of bytes. The guest is
// not trusted: lengths are checked, and nothing is kept but a small frame.
#pragma once

#include <cstddef>
#include <cstdint>

#include "plugins/shim/protocol.h"

namespace vx::shim {

class FrameHandler {
 public:
  // A version that we don't speak ends the stream before this.
  virtual void OnHello() = 0;
  // Bytes of output, as they come: a long frame comes in pieces.
  virtual void OnOutput(int stream, const char* data, size_t size) = 0;
  virtual void OnStarted(const StartedFrame& frame) = 0;
  // The command has taken so many bytes of input.
  virtual void OnRoom(uint32_t bytes) = 0;
  virtual void OnExit(const ExitFrame& frame) = 0;

 protected:
  ~FrameHandler() = default;
};

class FrameReader {
 public:
  explicit FrameReader(FrameHandler& handler) : handler_(handler) {}

  // False when the stream breaks the protocol; it must not be fed any further.
  bool Feed(const char* data, size_t size);

 private:
  static constexpr size_t kMaxKept =
      sizeof(StartedFrame) > sizeof(ExitFrame) ? sizeof(StartedFrame) : sizeof(ExitFrame);

  size_t TakeHeader(const char* data, size_t size);
  size_t TakeBody(const char* data, size_t size);
  bool IsAllowed() const;
  bool EndFrame();

  FrameHandler& handler_;
  FrameHeader header_{};
  size_t header_size_ = 0;  // how much of it is there
  size_t left_ = 0;         // of the body
  char kept_[kMaxKept] = {};
  size_t kept_size_ = 0;
};

}  // namespace vx::shim
