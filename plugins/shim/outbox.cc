#include "plugins/shim/outbox.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>

#include "plugins/shim/sys.h"

namespace vx::shim {

bool Outbox::PutConfig() {
  Clear();
  config_fd_ = open(kConfigFile, O_RDONLY | O_CLOEXEC);
  struct stat st{};
  if (config_fd_ < 0 || fstat(config_fd_, &st) < 0 || st.st_size > kMaxConfig) return false;
  config_size_ = config_left_ = static_cast<size_t>(st.st_size);
  BeginFrame(FrameType::kConfig, nullptr, 0, static_cast<uint32_t>(config_size_));
  return true;
}

void Outbox::PutInput(InputType type, const char* data, size_t size) {
  const InputHeader input{type};
  BeginFrame(FrameType::kInput, &input, sizeof input, static_cast<uint32_t>(sizeof input + size));
  memcpy(frame_ + frame_size_, data, size);
  frame_size_ += size;
  frame_left_ += size;
}

bool Outbox::PutSignal(int32_t signal) {
  if (signals_ == kMaxSignals) return false;
  waiting_[signals_++] = signal;
  return true;
}

void Outbox::Clear() {
  if (config_fd_ >= 0) close(config_fd_);
  config_fd_ = -1;
  config_left_ = frame_left_ = 0;
  signals_ = 0;
}

bool Outbox::Flush(int socket) {
  while (pending()) {
    if (frame_left_ == 0 && config_left_ == 0) TakeSignal();
    const long n = frame_left_ > 0 ? SendFrame(socket) : SendConfig(socket);
    if (n < 0 && errno == EAGAIN) return true;
    if (n <= 0) return false;
  }
  return true;
}

void Outbox::BeginFrame(FrameType type, const void* body, uint32_t kept, uint32_t length) {
  const FrameHeader header{type, length};
  memcpy(frame_, &header, sizeof header);
  if (kept > 0) memcpy(frame_ + sizeof header, body, kept);
  frame_size_ = frame_left_ = sizeof header + kept;
}

void Outbox::TakeSignal() {
  const int32_t signal = waiting_[0];
  memmove(waiting_, waiting_ + 1, sizeof(int32_t) * static_cast<size_t>(--signals_));
  BeginFrame(FrameType::kSignal, &signal, sizeof signal, sizeof signal);
}

long Outbox::SendFrame(int socket) {
  const long n = send(socket, frame_ + frame_size_ - frame_left_, frame_left_, MSG_NOSIGNAL);
  if (n > 0) frame_left_ -= static_cast<size_t>(n);
  return n;
}

long Outbox::SendConfig(int socket) {
  const off_t offset = static_cast<off_t>(config_size_ - config_left_);
  const size_t size = config_left_ < kBufferSize ? config_left_ : kBufferSize;
  const long n = pread(config_fd_, g_buffer, size, offset);
  if (n <= 0) return 0;
  const long sent = send(socket, g_buffer, static_cast<size_t>(n), MSG_NOSIGNAL);
  if (sent > 0) config_left_ -= static_cast<size_t>(sent);
  return sent;
}

}  // namespace vx::shim
