#include "plugins/shim/input.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "daemon/base/error.h"
#include "daemon/base/status_macros.h"

namespace vx::shim {
namespace {

constexpr absl::string_view kControlD("\4", 1);

absl::Status InputClosed() {
  return Error(absl::StatusCode::kFailedPrecondition, "INPUT_CLOSED",
               "the command does not take any more input");
}

void MakeNonBlocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

}  // namespace

absl::StatusOr<bool> ShimInput::Send(InputType type, absl::string_view data) const {
  InputHeader header{type};
  iovec pieces[] = {{&header, sizeof header}, {const_cast<char*>(data.data()), data.size()}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = 2;
  if (sendmsg(connection_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
  if (errno == EAGAIN || errno == EINTR) return false;
  return InputClosed();
}

absl::StatusOr<size_t> ShimInput::Write(absl::string_view data) {
  size_t taken = 0;
  while (taken < data.size()) {
    const absl::string_view piece = data.substr(taken, kMaxInput);
    VX_ASSIGN_OR_RETURN(bool sent, Send(InputType::kData, piece));
    if (!sent) break;
    taken += piece.size();
  }
  return taken;
}

absl::StatusOr<bool> ShimInput::Close() { return Send(InputType::kEnd, ""); }

absl::Status ShimInput::Resize(driver::TerminalSize size) {
  const InputSize body{size.columns, size.rows};
  // One that finds no room is left out: another will come, or the next attach.
  return Send(InputType::kSize, {reinterpret_cast<const char*>(&body), sizeof body}).status();
}

FdInput::FdInput(UniqueFd fd, bool tty) : fd_(std::move(fd)), tty_(tty) {
  MakeNonBlocking(fd_.get());
}

absl::StatusOr<size_t> FdInput::Write(absl::string_view data) {
  size_t taken = 0;
  while (taken < data.size()) {
    if (!fd_.valid()) return InputClosed();
    // The daemon ignores SIGPIPE.
    const ssize_t n = write(fd_.get(), data.data() + taken, data.size() - taken);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) break;
    if (n < 0) return InputClosed();
    taken += static_cast<size_t>(n);
  }
  return taken;
}

absl::StatusOr<bool> FdInput::Close() {
  if (tty_) {
    VX_ASSIGN_OR_RETURN(size_t taken, Write(kControlD));
    return taken > 0;
  }
  fd_.reset();
  return true;
}

absl::Status FdInput::Resize(driver::TerminalSize size) {
  const winsize wanted{size.rows, size.columns, 0, 0};
  if (!tty_ || ioctl(fd_.get(), TIOCSWINSZ, &wanted) == 0) return absl::OkStatus();
  return ErrnoError(errno, "set the terminal's size");
}

FdOutput::FdOutput(UniqueFd fd) : fd_(std::move(fd)) { MakeNonBlocking(fd_.get()); }

absl::StatusOr<size_t> FdOutput::Read(char* data, size_t size) {
  ssize_t n = 0;
  while ((n = read(fd_.get(), data, size)) < 0 && errno == EINTR) {
  }
  if (n > 0) return static_cast<size_t>(n);
  if (n < 0 && errno == EAGAIN) return 0;
  // A terminal ends with EIO.
  return absl::OutOfRangeError("the output has ended");
}

}  // namespace vx::shim
