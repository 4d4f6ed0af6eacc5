#include "plugins/agent/session.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "vx/agent/v1/agent.pb.h"

namespace vx::agent {
namespace {

// What a pipe holds, unless it is told to hold more: as much as goes out in one frame.
constexpr ssize_t kPipe = 64 * 1024;

}  // namespace

Session::Session(Loop& loop, FrameSink& sink, uint32_t stream, const Command& command, bool tty,
                 const OutputLimits& limits)
    : loop_(loop),
      sink_(sink),
      stream_(stream),
      pid_(command.pid),
      max_data_(limits.max_data),
      input_(loop, command.in, tty, [this](size_t bytes) {
        const uint32_t room = static_cast<uint32_t>(bytes);
        sink_.Send(WireType::kRoom, stream_, kStdin,
                   {reinterpret_cast<const char*>(&room), sizeof room});
      }) {
  outputs_[kStdout] = {command.out, limits.room};
  outputs_[kStderr] = {command.err, limits.room};
  Watch(kStdout);
  Watch(kStderr);
}

Session::~Session() {
  for (uint8_t channel : {kStdout, kStderr}) CloseOutput(channel);
}

void Session::Watch(uint8_t channel) {
  if (outputs_[channel].fd < 0) return;
  loop_.Watch(outputs_[channel].fd, 0, [this, channel](uint32_t) { Pump(channel); });
  Arm(outputs_[channel]);
}

void Session::Arm(const Output& output) {
  if (output.fd < 0) return;
  const bool wanted = output.room > 0 && sink_.HasRoom();
  loop_.Change(output.fd, wanted ? EPOLLIN : 0u);
}

// One read for each call, so that sessions take turns; of an ended command all that
// there is room for, as nothing wakes us for what it left behind.
void Session::Pump(uint8_t channel) {
  Output& output = outputs_[channel];
  do {
    if (output.fd < 0) return;
    if (output.room == 0 || !sink_.HasRoom()) break;
    if (!ReadOnce(channel)) {
      CloseOutput(channel);
      return FinishIfDrained();
    }
  } while (ended_);
  Arm(output);
}

// False: there is no more, and will be none.
bool Session::ReadOnce(uint8_t channel) {
  static char buffer[kMaxOutput];
  Output& output = outputs_[channel];
  const ssize_t n = read(output.fd, buffer, std::min(output.room, max_data_));
  if (n > 0) {
    output.room -= static_cast<uint32_t>(n);
    if (n == kPipe) fcntl(output.fd, F_SETPIPE_SZ, kMaxOutput + sizeof(WireHeader));
    sink_.Send(WireType::kData, stream_, channel, {buffer, static_cast<size_t>(n)});
    return true;
  }
  // What others hold of an ended command's streams is not waited for.
  return n < 0 && (errno == EINTR || (errno == EAGAIN && !ended_));
}

void Session::CloseOutput(uint8_t channel) {
  int& fd = outputs_[channel].fd;
  if (fd < 0) return;
  loop_.Forget(fd);
  close(fd);
  fd = -1;
}

void Session::Resume() {
  for (uint8_t channel : {kStdout, kStderr}) {
    if (ended_) {
      Pump(channel);
    } else {
      Arm(outputs_[channel]);
    }
  }
}

bool Session::OnFrame(const WireHeader& header, std::string_view body) {
  switch (header.type) {
    case WireType::kData:
      input_.Put(body);
      return true;
    case WireType::kEnd:
      input_.End();
      return true;
    case WireType::kRoom: {
      uint32_t more = 0;
      if (body.size() != sizeof more || header.channel == kStdin) return false;
      memcpy(&more, body.data(), sizeof more);
      outputs_[header.channel].room += more;
      Resume();
      return true;
    }
    case WireType::kControl:
      OnControl(body);
      return true;
    case WireType::kReset:
      Kill();
      return true;
    default:
      return false;
  }
}

void Session::OnControl(std::string_view body) {
  v1::Control control;
  if (!control.ParseFromArray(body.data(), static_cast<int>(body.size()))) return;
  if (control.has_size()) {
    input_.Resize(static_cast<uint16_t>(control.size().columns()),
                  static_cast<uint16_t>(control.size().rows()));
  }
  if (control.has_signal() && !ended_) kill(pid_, control.signal());
}

void Session::OnEnded(int status) {
  ended_ = true;
  status_ = status;
  if (killed_) {
    finished_ = true;
    return sink_.Send(WireType::kReset, stream_, 0, {});
  }
  Resume();
  FinishIfDrained();
}

void Session::FinishIfDrained() {
  if (!ended_ || killed_ || finished_) return;
  if (outputs_[kStdout].fd >= 0 || outputs_[kStderr].fd >= 0) return;
  finished_ = true;
  v1::Exit exit;
  exit.set_signal(WIFSIGNALED(status_) ? WTERMSIG(status_) : 0);
  exit.set_code(WIFSIGNALED(status_) ? 128 + exit.signal() : WEXITSTATUS(status_));
  sink_.Send(WireType::kExit, stream_, 0, exit.SerializeAsString());
}

void Session::Kill() {
  killed_ = true;
  for (uint8_t channel : {kStdout, kStderr}) CloseOutput(channel);
  if (ended_) {
    if (!finished_) sink_.Send(WireType::kReset, stream_, 0, {});
    finished_ = true;
    return;
  }
  kill(-pid_, SIGKILL);
  kill(pid_, SIGKILL);
}

}  // namespace vx::agent
