// The exit record, written; protocol.h says what is in it.
#pragma once

#include <cstdint>

namespace vx::shim {

struct ExitFile {
  int32_t code = -1;
  int32_t signal = 0;
  int32_t oom = 0;
  int32_t exec_errno = 0;
  int32_t lost = 0;
};

// Puts the record into the working directory, at once, with the present time.
void WriteExitFile(const ExitFile& exit);

}  // namespace vx::shim
