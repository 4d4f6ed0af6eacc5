#include "plugins/shim/frame_reader.h"

#include <cstring>

namespace vx::shim {

bool FrameReader::Feed(const char* data, size_t size) {
  while (size > 0) {
    size_t taken = 0;
    if (header_size_ < sizeof header_) {
      taken = TakeHeader(data, size);
      if (header_size_ < sizeof header_) return true;
      if (!IsAllowed()) return false;
      left_ = header_.length;
      kept_size_ = 0;
    } else {
      taken = TakeBody(data, size);
    }
    data += taken;
    size -= taken;
    if (left_ == 0 && !EndFrame()) return false;
  }
  return true;
}

size_t FrameReader::TakeHeader(const char* data, size_t size) {
  const size_t missing = sizeof header_ - header_size_;
  const size_t n = size < missing ? size : missing;
  memcpy(reinterpret_cast<char*>(&header_) + header_size_, data, n);
  header_size_ += n;
  return n;
}

size_t FrameReader::TakeBody(const char* data, size_t size) {
  const size_t n = size < left_ ? size : left_;
  left_ -= n;
  if (header_.type == FrameType::kStdout || header_.type == FrameType::kStderr) {
    handler_.OnOutput(header_.type == FrameType::kStdout ? 1 : 2, data, n);
    return n;
  }
  const size_t keep = n < kMaxKept - kept_size_ ? n : kMaxKept - kept_size_;
  memcpy(kept_ + kept_size_, data, keep);
  kept_size_ += keep;
  return n;
}

bool FrameReader::IsAllowed() const {
  switch (header_.type) {
    case FrameType::kHello:
      return header_.length >= sizeof(uint32_t) && header_.length <= kMaxFrame;
    case FrameType::kStdout:
    case FrameType::kStderr:
      return header_.length <= kMaxFrame;
    case FrameType::kStarted:
      return header_.length == sizeof(StartedFrame);
    case FrameType::kRoom:
      return header_.length == sizeof(uint32_t);
    case FrameType::kExit:
      return header_.length == sizeof(ExitFrame);
    default:
      return false;
  }
}

bool FrameReader::EndFrame() {
  header_size_ = 0;
  uint32_t number = 0;
  StartedFrame started{};
  ExitFrame exit{};
  switch (header_.type) {
    case FrameType::kHello:
      memcpy(&number, kept_, sizeof number);
      if (number != kAgentProtocolVersion) return false;
      handler_.OnHello();
      return true;
    case FrameType::kStarted:
      memcpy(&started, kept_, sizeof started);
      handler_.OnStarted(started);
      return true;
    case FrameType::kRoom:
      memcpy(&number, kept_, sizeof number);
      handler_.OnRoom(number);
      return true;
    case FrameType::kExit:
      memcpy(&exit, kept_, sizeof exit);
      handler_.OnExit(exit);
      return true;
    default:
      return true;
  }
}

}  // namespace vx::shim
