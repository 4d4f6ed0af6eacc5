#include "plugins/shim/console.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugins/shim/protocol.h"
#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

// How long what is said waits for the end of its line.
constexpr int64_t kPatienceMillis = 20;
// Where the configuration sets none.
constexpr LogBounds kOwnBounds{4 << 20, 2};

const char* LastNewline(const char* data, size_t size) {
  return static_cast<const char*>(memrchr(data, '\n', size));
}

}  // namespace

bool Console::OpenLog(const char* path, LogBounds bounds) {
  if (bounds.size <= 0) bounds = kOwnBounds;
  if (!log_.Open(path, bounds)) return false;
  logged_ = true;
  Text<128> mark;
  mark.Append(kConsoleBegins).Append("\n");
  log_.Write(2, mark.c_str(), mark.size());
  return true;
}

bool Console::Listen() {
  listener_ = shim::Listen(kConsoleSocket, SOCK_STREAM);
  return listener_ >= 0;
}

void Console::Prepare(pollfd* fds) const {
  fds[0] = {machine_ < 0 ? listener_ : machine_, POLLIN, 0};
  fds[1] = {input_.poll_fd(), POLLOUT, 0};
}

void Console::Serve(const pollfd* fds) {
  if (fds[1].revents != 0) input_.Flush();
  if (fds[0].revents == 0) return;
  if (machine_ < 0) {
    Accept();
  } else {
    ReadSome();
  }
}

void Console::Accept() {
  machine_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (machine_ >= 0) input_.Open(fcntl(machine_, F_DUPFD_CLOEXEC, 0), false);
}

bool Console::ReadSome() {
  const long n = Read(machine_, g_buffer, kBufferSize);
  if (n > 0) Write(g_buffer, static_cast<size_t>(n));
  if (n == 0 || (n < 0 && errno != EAGAIN)) Disconnect();
  return n > 0;
}

void Console::Disconnect() {
  close(machine_);
  machine_ = -1;
  input_.Close();
}

size_t Console::Continue(const char* data, size_t size) {
  const char* newline = static_cast<const char*>(memchr(data, '\n', size));
  size_t taken = newline == nullptr ? size : static_cast<size_t>(newline - data) + 1;
  if (taken > kLine - waiting_) taken = kLine - waiting_;
  memcpy(line_ + waiting_, data, taken);
  waiting_ += taken;
  return taken;
}

// Whole lines go to the log as they are; the beginning of one waits.
void Console::Write(const char* data, size_t size) {
  if (!logged_) return;
  if (waiting_ > 0) {
    const size_t taken = Continue(data, size);
    if (line_[waiting_ - 1] == '\n' || waiting_ == kLine) Flush();
    data += taken;
    size -= taken;
  }
  const char* newline = LastNewline(data, size);
  size_t whole = newline == nullptr ? 0 : static_cast<size_t>(newline - data) + 1;
  if (size - whole >= kLine) whole = size;
  if (whole > 0) log_.Write(1, data, whole);
  if (size == whole) return;
  if (waiting_ == 0) deadline_ = MonotonicMillis() + kPatienceMillis;
  Continue(data + whole, size - whole);
}

void Console::FlushLate(int64_t now) {
  if (deadline_ != 0 && now >= deadline_) Flush();
}

void Console::Flush() {
  if (waiting_ > 0) log_.Write(1, line_, waiting_);
  waiting_ = 0;
  deadline_ = 0;
}

void Console::Finish() {
  // A machine that is gone leaves no more than its socket holds.
  for (int i = 0; i < 1024 && machine_ >= 0 && ReadSome(); ++i) {
  }
  Flush();
}

void Console::Type(const char* data, size_t size) {
  if (size > 0) input_.Take(InputType::kData, data, size);
}

}  // namespace vx::shim
