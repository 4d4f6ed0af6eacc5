// Writes the output of a workload to its log, in CRI's format (see client.h,
// OpenLog).
#pragma once

#include <cstddef>
#include <cstdint>

struct iovec;

namespace vx::shim {

// A log that has grown to its bound becomes NAME.1, what was that NAME.2, and so on;
// the oldest goes.
struct LogBounds {
  // Of one file, in bytes; 0: none.
  int64_t size = 0;
  // Files that are kept, with the one that is written; at least 1.
  int32_t files = 1;
};

class LogWriter {
 public:
  // Opens for appending, makes it when it is not there, and ends a line that an
  // earlier shim was killed in. False with errno on failure.
  bool Open(const char* path, const LogBounds& bounds = {});

  // Writes lines at once and what follows the last newline as a part, so that a
  // prompt is seen and nothing has to be kept. `stream` is 1 or 2. Waits for the disk.
  // What can't be written (a full disk) is dropped, as the workload must not hang for
  // its log; how much that was is in the log once there is room again.
  void Write(int stream, const char* data, size_t size);

 private:
  void WriteEntries(int stream, const char* data, size_t size);
  void WriteLoss();
  void WritePieces(iovec* pieces, int count);
  bool OpenFile();
  void Rotate();

  LogBounds bounds_;
  int dir_ = -1;
  const char* name_ = nullptr;
  int fd_ = -1;
  int64_t size_ = 0;
  // The last write ended within a line.
  bool torn_ = false;
  // Bytes of output that found no room.
  int64_t lost_ = 0;
};

}  // namespace vx::shim
