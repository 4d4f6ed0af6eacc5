#include "plugins/shim/vm_mode.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cerrno>

#include "plugins/shim/report.h"
#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

// How long output may still come after the machine is said to be gone.
constexpr int64_t kLingerMillis = 5000;

void Close(int& fd) {
  if (fd >= 0) close(fd);
  fd = -1;
}

}  // namespace

int VmMode::Run() {
  if (!Listen()) return 1;
  if (!ReportReady()) return 1;
  Loop();
  Finish();
  return 0;
}

bool VmMode::Listen() {
  output_listener_ = shim::Listen(kOutputSocket, SOCK_STREAM);
  if (output_listener_ < 0 || !console_.Listen()) return ReportErrno("listen for the machine");
  return control_.Open() || ReportErrno("listen on the control socket");
}

void VmMode::Loop() {
  constexpr int kOwn = 2 + Console::kPollFds;
  pollfd fds[kOwn + ControlServer::kMaxPollFds];
  while (!done()) {
    const bool sending = output_ >= 0 && outbox_.pending();
    fds[0] = {output_ < 0 ? output_listener_ : -1, POLLIN, 0};
    fds[1] = {output_, static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0};
    console_.Prepare(fds + 2);
    const int connections = control_.Prepare(fds + kOwn);
    const int found = poll(fds, static_cast<nfds_t>(kOwn + connections), PollTimeout());
    if (console_.deadline() != 0) console_.FlushLate(MonotonicMillis());
    if (found < 0) continue;
    if (fds[0].revents != 0) AcceptOutput();
    if ((fds[1].revents & POLLOUT) != 0 && !outbox_.Flush(output_)) EndOutput();
    if ((fds[1].revents & ~POLLOUT) != 0) ReadOutput();
    console_.Serve(fds + 2);
    control_.Serve(fds + kOwn, connections);
  }
}

int VmMode::PollTimeout() const {
  int64_t until = gone_ ? deadline_ : 0;
  const int64_t console = console_.deadline();
  if (console != 0 && (until == 0 || console < until)) until = console;
  if (until == 0) return -1;
  const int64_t left = until - MonotonicMillis();
  return left > 0 ? static_cast<int>(left) : 0;
}

bool VmMode::done() const {
  if (output_ended_) return true;
  return gone_ && (output_ < 0 || MonotonicMillis() >= deadline_);
}

void VmMode::AcceptOutput() {
  output_ = accept4(output_listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void VmMode::ReadOutput() {
  if (output_ < 0) return;
  const long n = Read(output_, g_buffer, kBufferSize);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0 || !reader_.Feed(g_buffer, static_cast<size_t>(n))) EndOutput();
}

void VmMode::EndOutput() {
  Close(output_);
  outbox_.Clear();
  output_ended_ = true;
}

void VmMode::Finish() {
  if (state_ != RunState::kExited) {
    exit_.lost = 1;
    WriteExitFile(exit_);
  }
  console_.Finish();
  state_ = RunState::kExited;
  control_.AnswerStarts(Reply(ESRCH));
}

void VmMode::OnHello() { greeted_ = outbox_.PutConfig(); }

// What nobody has taken yet stays where its senders wait.
bool VmMode::TakesInput() const {
  return greeted_ && !outbox_.pending() && input_room_ >= kMaxInput;
}

void VmMode::OnInput(InputType type, const char* data, size_t size) {
  if (type != InputType::kSize && !stdio_.stdin) return;
  if (type == InputType::kData) input_room_ -= static_cast<uint32_t>(size);
  outbox_.PutInput(type, data, size);
}

// A guest may lie about it, to its own harm.
void VmMode::OnRoom(uint32_t bytes) {
  input_room_ = bytes < kInputRoom - input_room_ ? input_room_ + bytes : kInputRoom;
}

void VmMode::OnOutput(int stream, const char* data, size_t size) {
  if (state_ != RunState::kExited) log_.Write(stream, data, size);
}

void VmMode::OnStarted(const StartedFrame& frame) {
  if (state_ != RunState::kCreated) return;
  state_ = RunState::kRunning;
  started_ = frame;
  control_.AnswerStarts(Reply(0));
}

void VmMode::OnExit(const ExitFrame& frame) {
  if (state_ == RunState::kExited) return;
  state_ = RunState::kExited;
  exit_ = {frame.code, frame.signal, frame.oom, frame.exec_errno, 0};
  WriteExitFile(exit_);
  // Nothing comes after it; the driver takes our end for its sign to switch the
  // machine off.
  output_ended_ = true;
  control_.AnswerStarts(Reply(0));
}

ControlReply VmMode::Reply(int error) const {
  return {error, exit_.exec_errno, state_, 0, started_, greeted_ ? 1u : 0u};
}

bool VmMode::OnRequest(const ControlRequest& request, ControlReply& reply) {
  reply = Reply(0);
  switch (request.verb) {
    case ControlVerb::kStatus:
      return true;
    case ControlVerb::kInput:
      if (!stdio_.stdin && !stdio_.tty) reply.error = EOPNOTSUPP;
      if (state_ == RunState::kExited) reply.error = ESRCH;
      return true;
    case ControlVerb::kConsoleInput:
      if (state_ == RunState::kExited) reply.error = ESRCH;
      return true;
    case ControlVerb::kStart:
      return state_ != RunState::kCreated;
    case ControlVerb::kSignal:
      if (state_ != RunState::kRunning)
        reply.error = ESRCH;
      else if (!outbox_.PutSignal(request.argument))
        reply.error = EAGAIN;
      return true;
    case ControlVerb::kMachineGone:
      if (!gone_) deadline_ = MonotonicMillis() + kLingerMillis;
      gone_ = true;
      return true;
    default:
      reply.error = EOPNOTSUPP;
      return true;
  }
}

}  // namespace vx::shim
