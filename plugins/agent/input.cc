#include "plugins/agent/input.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vx::agent {
namespace {

constexpr char kControlD[] = "\x04";

}  // namespace

Input::Input(Loop& loop, int fd, bool tty, Done done)
    : loop_(loop), fd_(fd), tty_(tty), done_(std::move(done)) {
  if (fd_ >= 0) loop_.Watch(fd_, 0, [this](uint32_t) { Flush(); });
}

Input::~Input() { Close(); }

void Input::Put(std::string_view data) {
  if (fd_ < 0) return done_(data.size());
  if (ending_ && !tty_) return;
  pending_.append(data);
  Flush();
}

void Input::End() {
  if (tty_) {
    pending_ += kControlD;
    ++own_;
  } else {
    ending_ = true;
  }
  Flush();
}

void Input::Resize(uint16_t columns, uint16_t rows) const {
  if (!tty_ || fd_ < 0 || columns == 0 || rows == 0) return;
  winsize now = {};
  winsize wanted = {rows, columns, 0, 0};
  ioctl(fd_, TIOCGWINSZ, &now);
  if (now.ws_row == rows && now.ws_col == columns) {
    winsize other = wanted;
    ++other.ws_row;
    ioctl(fd_, TIOCSWINSZ, &other);
  }
  ioctl(fd_, TIOCSWINSZ, &wanted);
}

void Input::Flush() {
  size_t taken = 0;
  while (fd_ >= 0 && taken < pending_.size()) {
    const ssize_t n = write(fd_, pending_.data() + taken, pending_.size() - taken);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n <= 0) {
      Close();
      taken = pending_.size();
      break;
    }
    taken += static_cast<size_t>(n);
  }
  pending_.erase(0, taken);
  if (ending_ && pending_.empty()) Close();
  if (fd_ >= 0) loop_.Change(fd_, pending_.empty() ? 0u : EPOLLOUT);
  const size_t own = std::min(taken, own_);
  own_ -= own;
  if (taken > own) done_(taken - own);
}

void Input::Close() {
  if (fd_ < 0) return;
  loop_.Forget(fd_);
  close(fd_);
  fd_ = -1;
}

}  // namespace vx::agent
