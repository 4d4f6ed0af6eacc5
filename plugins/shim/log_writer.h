// Writes the output of a workload to its log, in CRI's format (see client.h,
// OpenLog).
#pragma once

#include <cstddef>

namespace vx::shim {

class LogWriter {
 public:
  // Opens for appending, makes it when it is not there, and ends a line that an
  // earlier shim was killed in. False with errno on failure.
  bool Open(const char* path);

  // Writes lines at once and what follows the last newline as a part, so that a
  // prompt is seen and nothing has to be kept. `stream` is 1 or 2. What can't be
  // written (a full disk) is dropped: the workload must not hang for its log.
  void Write(int stream, const char* data, size_t size);

 private:
  int fd_ = -1;
};

}  // namespace vx::shim
