#include "plugins/shim/command_input.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

constexpr char kControlD = 4;

}  // namespace

void CommandInput::Open(int fd, bool tty) {
  SetNonBlocking(fd);
  fd_ = fd;
  tty_ = tty;
}

void CommandInput::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
  size_ = 0;
}

void CommandInput::Take(InputType type, const char* data, size_t size) {
  if (fd_ < 0) return;
  if (type == InputType::kSize) return Resize(data, size);
  if (type == InputType::kEnd && !tty_) return Close();
  if (type == InputType::kEnd) {
    data = &kControlD;
    size = 1;
  }
  begin_ = 0;
  size_ = size;
  memcpy(data_, data, size);
  Flush();
}

// Where the size is the same already, a program on the terminal draws itself again only
// if it sees it change.
void CommandInput::Resize(const char* data, size_t size) const {
  InputSize wanted{};
  winsize now{};
  if (!tty_ || size != sizeof wanted) return;
  memcpy(&wanted, data, sizeof wanted);
  ioctl(fd_, TIOCGWINSZ, &now);
  winsize next{wanted.rows, wanted.columns, 0, 0};
  if (now.ws_row == next.ws_row && now.ws_col == next.ws_col) {
    winsize other = next;
    ++other.ws_row;
    ioctl(fd_, TIOCSWINSZ, &other);
  }
  ioctl(fd_, TIOCSWINSZ, &next);
}

void CommandInput::Flush() {
  while (size_ > 0) {
    const ssize_t n = write(fd_, data_ + begin_, size_);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return Close();
    begin_ += static_cast<size_t>(n);
    size_ -= static_cast<size_t>(n);
  }
}

}  // namespace vx::shim
