// The end of a machine's console, kept in a file that never grows past a bound.
#pragma once

#include <cstddef>

namespace vx::shim {

class ConsoleLog {
 public:
  // In the working directory, emptied. False with errno on failure.
  bool Open(const char* name);
  // Keeps the last 32 to 64 KiB of all that was written.
  void Write(const char* data, size_t size);

 private:
  void DropOldHalf();

  int fd_ = -1;
  size_t size_ = 0;
};

}  // namespace vx::shim
