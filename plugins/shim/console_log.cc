#include "plugins/shim/console_log.h"

#include <fcntl.h>
#include <unistd.h>

#include "plugins/shim/sys.h"

namespace vx::shim {
namespace {

constexpr size_t kMaxSize = 64 * 1024;
constexpr size_t kKeep = 32 * 1024;
constexpr size_t kStep = 4 * 1024;

}  // namespace

bool ConsoleLog::Open(const char* name) {
  fd_ = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  return fd_ >= 0;
}

void ConsoleLog::Write(const char* data, size_t size) {
  if (size_ + size > kMaxSize) DropOldHalf();
  const ssize_t n = pwrite(fd_, data, size, static_cast<off_t>(size_));
  if (n > 0) size_ += static_cast<size_t>(n);
}

void ConsoleLog::DropOldHalf() {
  char piece[kStep];
  size_t to = 0;
  for (size_t from = size_ > kKeep ? size_ - kKeep : 0; from < size_;) {
    const ssize_t n = pread(fd_, piece, kStep, static_cast<off_t>(from));
    if (n <= 0 || pwrite(fd_, piece, static_cast<size_t>(n), static_cast<off_t>(to)) != n) break;
    from += static_cast<size_t>(n);
    to += static_cast<size_t>(n);
  }
  size_ = to;
  if (ftruncate(fd_, static_cast<off_t>(size_)) < 0) size_ = 0;
}

}  // namespace vx::shim
