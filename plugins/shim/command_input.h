// What is on its way to a container's command: never more than one packet, so that
// those who send wait when the command doesn't read.
#pragma once

#include <cstddef>

#include "plugins/shim/protocol.h"

namespace vx::shim {

class CommandInput {
 public:
  // Takes over `fd`, the write end of a pipe or the master of a terminal, and makes it
  // non-blocking.
  void Open(int fd, bool tty);
  // Nobody reads any more.
  void Close();

  bool open() const { return fd_ >= 0; }
  bool pending() const { return size_ > 0; }
  // To wait until it is writable; -1 when nothing waits.
  int poll_fd() const { return pending() ? fd_ : -1; }

  // Only when nothing is pending.
  void Take(InputType type, const char* data, size_t size);
  // Writes what there is room for.
  void Flush();

 private:
  void Resize(const char* data, size_t size) const;

  int fd_ = -1;
  bool tty_ = false;
  size_t begin_ = 0;
  size_t size_ = 0;
  char data_[kMaxInput] = {};
};

}  // namespace vx::shim
